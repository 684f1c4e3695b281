package lab

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
)

// Without this a presenter would announce a key that comes long after the time that the console states. It waits for the
// scenarios' real times, and measures; only the order of what happens is checked.
func TestScenariosKeepTheirTimes(t *testing.T) {
	for _, name := range []string{"no-role", "late", "throttled"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemoAfter(t, Config{Format: string(formats.RSA)}, time.After)
			eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })

			pressed := time.Now()
			press(t, d, "/scenario", url.Values{"scenario": {name}})
			played := d.Scenario()
			if played.Name != name || len(played.Events) != 1 || played.Events[0].At.Before(pressed) {
				t.Fatalf("after the switch is played: %+v", played)
			}
			eventually(t, "the obstacle has ended", func() bool { return d.Scenario().Events[0].Done })
			ended := d.Scenario().Events[0].At
			eventually(t, "a record has opened", func() bool { return stepNamed(d, console.StepOpen).At.After(pressed) })
			key, opened := stepNamed(d, console.StepKey).At, stepNamed(d, console.StepOpen).At
			if stated := played.Events[0].At; ended.Before(stated) || key.Before(stated) || opened.Before(key) {
				t.Errorf("stated was %v: the obstacle ended at %v, the key came at %v, a record opened at %v", stated, ended, key, opened)
			}
			since := func(at time.Time) time.Duration { return at.Sub(pressed).Round(10 * time.Millisecond) }
			t.Logf("measured: pressed at 0; stated %v; the obstacle ended after %v, the key came after %v, a record opened after %v",
				since(played.Events[0].At), since(ended), since(key), since(opened))
		})
	}
	t.Run("rotate", func(t *testing.T) {
		t.Parallel()
		d := startDemoAfter(t, Config{Format: string(formats.RSA)}, time.After)
		eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })
		pressed := time.Now()
		press(t, d, "/scenario", url.Values{"scenario": {"rotate"}})
		stated := d.Scenario().Events[0].At
		eventually(t, "the key has a new version", func() bool { return d.Scenario().Events[0].Done })
		ended := d.Scenario().Events[0].At
		eventually(t, "the new version is released", func() bool { return stepNamed(d, console.StepKey).At.After(ended) })
		if ended.Before(stated) {
			t.Errorf("stated was %v: the version came at %v", stated, ended)
		}
		since := func(at time.Time) time.Duration { return at.Sub(pressed).Round(10 * time.Millisecond) }
		t.Logf("measured: pressed at 0; stated %v; the version came after %v, its key after %v", since(stated), since(ended), since(stepNamed(d, console.StepKey).At))
	})
}

// press does what a button of the console does.
func press(t *testing.T, d *demo, path string, form url.Values) {
	t.Helper()
	base := "http://" + d.Addresses().Console
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Origin", base)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("%s: status %d", path, answer.StatusCode)
	}
}
