package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/skrclient/skrtest"
)

// Without this an open page would show older records above newer ones when the
// key comes: more of them heal than the page had rows when it was opened.
func TestRowsHealInTheirPlaces(t *testing.T) {
	t.Parallel()
	need(t, chromium)
	c, key := broker(t, 1), newKey(t)
	s, url := sidecar(t, key)
	s.Refuse(skrtest.RefusalRole)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	const records = 250
	values := make([][]byte, records)
	for i := range values {
		values[i] = encrypt(t, key, fmt.Sprintf("Msg %03d", i))
	}
	write(t, c, 0, values...)
	p.waitStates(map[string]int{"no_key": records})
	p.wait("the refusal is shown", func() bool { return p.keyState() == "refused" })

	page := open(browser(t), t, p.page)
	p.shown(page, "#live", "Live")
	// With a space, which no base64 holds.
	if before := page.text("#rows .row"); strings.Contains(before, "Msg ") || !strings.Contains(before, "Encrypted, no key here") {
		t.Fatalf("before the key came: %s", before)
	}
	s.Behave(skrtest.Release)
	resp, err := http.Post(p.page+"/api/key/check", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	p.wait("every row is in plaintext, and all are there", func() bool {
		text := page.text("#rows .row .value bdi")
		return strings.Count(text, "Msg ") == records
	})
	shown := strings.Split(page.text("#rows .row .value bdi"), "\n")
	if !slices.IsSortedFunc(shown, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("the newest does not stand first: %q", shown)
	}
	if verdict := page.text("#verdict"); !strings.Contains(verdict, "Key released") {
		t.Errorf("the verdict above them: %s", verdict)
	}
}
