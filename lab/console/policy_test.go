package console

import (
	"net/url"
	"testing"
	"time"
)

// Without this a presenter would not notice that another format makes the pods accept what they refused.
func TestPolicyIsSaid(t *testing.T) {
	d := newFakeDemo(t)
	c, base := startConsole(t, d)
	requires := func(format string) string {
		for _, f := range english(c).Attacks.Formats {
			if f.Name == format {
				return f.Requires
			}
		}
		return ""
	}
	hint := func() string { return english(c).Attacks.Hint }
	const how = "Point at an attack to read what it does. Press it: it is really done."
	d.format = "envelope"
	for format, want := range map[string]string{
		"envelope": "The pods require of each record: envelope format, a signature, no other reader, a fresh key.",
		"rsa":      "The pods restart and accept any record. No longer required: envelope format, a signature, no other reader, a fresh key. Old refusals may open.",
	} {
		if got := requires(format); got != want {
			t.Errorf("before a switch to %s: %q, want %q", format, got, want)
		}
	}
	if got := hint(); got != how {
		t.Errorf("before a switch: %q", got)
	}
	if failed := post(t, base, "/format", url.Values{"format": {"rsa"}}); failed != "" {
		t.Fatal(failed)
	}
	d.mu.Lock()
	d.switched = &Switch{"envelope", time.Now()}
	d.mu.Unlock()
	if got := hint(); got != "The pods accept any record. No longer required: envelope format, a signature, no other reader, a fresh key. Old refusals may open." {
		t.Errorf("after the switch: %q", got)
	}
	if got := requires("envelope"); got != "The pods restart, and require of each record: envelope format, a signature, no other reader, a fresh key. Older records may be refused." {
		t.Errorf("before the switch back: %q", got)
	}
	if got := requires("envelope-unsigned"); got != "The pods restart and accept any record." {
		t.Errorf("before a switch that changes no policy: %q", got)
	}
	d.began = time.Now().Add(time.Second)
	if got := hint(); got != how {
		t.Errorf("after another scenario: %q", got)
	}
}
