package browser_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this an open page would show older records above newer ones when the key arrives: more records are decrypted
// again than the page had rows when it was opened.
func TestRowsAreDecryptedInPlace(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	s, url := harness.Sidecar(t, key)
	s.Refuse(skrtest.RefusalRole)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	const records = 250
	values := make([][]byte, records)
	for i := range values {
		values[i] = harness.Encrypt(t, key, fmt.Sprintf("Msg %03d", i))
	}
	harness.Write(t, c, 0, values...)
	p.WaitStates(map[string]int{"no_key": records})
	p.Wait("the refusal is shown", func() bool { return p.KeyState() == "refused" })

	page := chrome.Open(chrome.Start(t), t, p.Page)
	page.Shows(p, "#live", "Live")
	// With a space, which base64 never contains.
	if before := page.Text("#rows .row"); strings.Contains(before, "Msg ") || !strings.Contains(before, "Encrypted, no key here") {
		t.Fatalf("before the key came: %s", before)
	}
	// Records leave a page that shows only those without a key, one by one or all at once.
	filtered := chrome.Open(chrome.Start(t), t, p.Page+"/?state=no_key")
	filtered.Shows(p, "#live", "Live")
	if rows := chrome.Eval[int](filtered, "document.querySelectorAll('#rows > li').length"); rows == 0 {
		t.Error("the page of what has no key is empty")
	}
	s.Behave(skrtest.Release)
	resp, err := http.Post(p.Page+"/api/key/check", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	p.Wait("every row is in plaintext, and all are there", func() bool {
		text := page.Text("#rows .row .value bdi")
		return strings.Count(text, "Msg ") == records
	})
	shown := strings.Split(page.Text("#rows .row .value bdi"), "\n")
	if !slices.IsSortedFunc(shown, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("the newest does not stand first: %q", shown)
	}
	page.Shows(p, "#banner", "Key released")
	p.Wait("no row without a key is left where only those are shown", func() bool {
		return chrome.Eval[int](filtered, "document.querySelectorAll('#rows > li').length") == 0
	})
}
