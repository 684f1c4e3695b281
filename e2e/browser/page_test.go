package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
)

// Without these a viewer could not read in peace, find a record, share a link to it, or work without a mouse or a
// script, and would not notice that the page has stopped.
func TestPageForPeople(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, key := harness.Broker(t, 2), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	cfg := harness.Settings(t, c.ListenAddrs(), url)
	p := harness.Consume(t, cfg)
	var values [][]byte
	for i := range 60 {
		values = append(values, []byte(fmt.Sprintf("line %02d", i)))
	}
	values = append(values, []byte(`{"needle":1,"big":12345678901234567890}`), harness.Encrypt(t, key, "the secret"))
	harness.Write(t, c, 0, values...)
	p.WaitStates(map[string]int{"decrypted": 1, "plain": len(values) - 1})
	chromium := chrome.Start(t)
	page := chrome.Open(chromium, t, p.Page)
	page.Shows(p, "#live", "Live")

	t.Run("scrolling away pauses, and the top resumes", func(t *testing.T) {
		chrome.Eval[bool](page, "window.scrollTo(0, document.body.scrollHeight), true")
		page.Shows(p, "#live", "Paused")
		harness.Write(t, c, 0, []byte("while somebody was reading"))
		page.Shows(p, "#pause", "1 new")
		if strings.Contains(page.Text("#rows"), "while somebody was reading") {
			t.Error("the rows moved under the reader")
		}
		page.Press("t")
		page.Shows(p, "#rows li:first-child", "while somebody was reading")
	})

	t.Run("a filter finds on the server, stands in the address, and stays live", func(t *testing.T) {
		page.Click("#q")
		page.Press("needle")
		p.Wait("the address holds the filter", func() bool { return strings.Contains(chrome.Eval[string](page, "location.search"), "q=needle") })
		page.Shows(p, "#rows", "needle")
		page.Shows(p, "#live", "Live")
		harness.Write(t, c, 0, []byte("of no interest"), []byte("one more needle"))
		page.Shows(p, "#rows", "one more needle")
		if got := page.Text("#rows"); strings.Contains(got, "of no interest") || strings.Contains(got, "line 01") {
			t.Errorf("the filter does not hide: %s", got)
		}
		page.Visit(p.Page + "/?state=decrypted")
		if n := chrome.Eval[int](page, "document.querySelectorAll('#rows > li').length"); n != 1 || !strings.Contains(page.Text("#rows"), "the secret") {
			t.Errorf("%d rows of the state decrypted: %s", n, page.Text("#rows"))
		}
	})

	t.Run("a record has an address, and one that has left is told so", func(t *testing.T) {
		page.Visit(p.Page + "/records/" + harness.Topic + "/0/60")
		page.Shows(p, chrome.TestID("record"), "12345678901234567890")
		page.Visit(p.Page + "/records/" + harness.Topic + "/1/4711")
		page.Shows(p, chrome.TestID("gone"), "4711")
	})

	t.Run("a row opens to both views, by the keyboard alone", func(t *testing.T) {
		page.Visit(p.Page + "/?q=the+secret")
		page.Shows(p, "#rows", "the secret")
		page.Press("j")
		page.Press("\r")
		page.Shows(p, "#rows .more", "the secret")
		for _, view := range []string{"view-value", "view-wire"} {
			if n := chrome.Eval[int](page, fmt.Sprintf("document.querySelectorAll('#rows %s').length", chrome.TestID(view))); n != 1 {
				t.Errorf("the row has %d of %s", n, view)
			}
		}
		page.Press("\x1b")
		p.Wait("Escape closes it", func() bool {
			return chrome.Eval[int](page, "document.querySelectorAll('#rows details[open]').length") == 0
		})
		page.Press("p")
		page.Shows(p, "#live", "Paused")
		page.Press("p")
		page.Shows(p, "#live", "Live")
		page.Press("?")
		p.Wait("the keys are listed", func() bool { return chrome.Eval[bool](page, "document.getElementById('keys').open") })
		page.Press("\x1b")
		page.Press("/")
		if at := chrome.Eval[string](page, "document.activeElement.id"); at != "q" {
			t.Errorf("the key / goes to %q, not to the filter", at)
		}
	})

	t.Run("Japanese by the switch, for good, and by the browser's wish", func(t *testing.T) {
		page.Visit(p.Page + "/?lang=ja")
		page.Visit(p.Page)
		if lang := chrome.Eval[string](page, "document.documentElement.lang"); lang != "ja" {
			t.Errorf("after the switch the page's language is %q", lang)
		}
		page.Shows(p, "#banner", "鍵")
		harness.Write(t, c, 0, []byte("plain to everyone"))
		page.Shows(p, "#rows li:first-child", "plain to everyone")
		if got := page.Text("#rows li:first-child"); strings.Contains(got, "Not encrypted") {
			t.Errorf("a row that came later is in English: %s", got)
		}
		page.Visit(p.Page + "/?lang=en")
	})

	t.Run("a hidden page asks for nothing", func(t *testing.T) {
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
		viewers := func(n string) func() bool {
			return func() bool { return strings.Contains(string(p.Get(p.Metrics+"/metrics")), "\ne2ee_viewers "+n+"\n") }
		}
		p.Wait("the stream is counted", viewers("1"))
		chrome.Eval[bool](page, "Object.defineProperty(document, 'hidden', {value: true, configurable: true}), document.dispatchEvent(new Event('visibilitychange'))")
		p.Wait("the stream has ended", viewers("0"))
		chrome.Eval[bool](page, "delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
		p.Wait("the stream is back", viewers("1"))
	})

	t.Run("without a script the page is complete", func(t *testing.T) {
		still := chrome.Open(chromium, t, "about:blank")
		if _, err := chromedp.Call(still.Ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			t.Fatal(err)
		}
		still.Visit(p.Page)
		for selector, text := range map[string]string{"#banner": "Key released", "#rows": "the secret", "#sample .seen": "the secret"} {
			if got := still.Text(selector); !strings.Contains(got, text) {
				t.Errorf("%s has no %q: %s", selector, text, got)
			}
		}
		still.Do(chromedp.SetValue(chromedp.ID("q"), "needle"))
		still.Click(chrome.TestID("filter-apply"))
		p.Wait("the address holds the filter", func() bool { return strings.Contains(chrome.Eval[string](still, "location.search"), "q=needle") })
		still.Shows(p, "#rows", "needle")
		if got := still.Text("#rows"); strings.Contains(got, "the secret") {
			t.Errorf("the form does not filter: %s", got)
		}
		still.Click("#rows li:first-child summary")
		still.Click("#rows li:first-child a[href^='/records/']")
		still.Shows(p, chrome.TestID("record"), "needle")
	})

	// The last one, since it ends the consumer.
	t.Run("a page finds the server again after a restart", func(t *testing.T) {
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
		page.Shows(p, "#banner", "Key released")
		good := chrome.Eval[string](page, "getComputedStyle(document.getElementById('banner-title')).color")
		p.Stop()
		p.Wait("the page reports the lost connection", func() bool {
			return chrome.Eval[string](page, "document.getElementById('live').dataset.state") == "lost"
		})
		// Nobody knows now whether the key is still released.
		page.Shows(p, chrome.TestID("stale"), "it may not be true any more")
		const colour = "getComputedStyle(document.getElementById('banner-title')).color"
		if got := chrome.Eval[string](page, colour); got == good {
			t.Errorf("without a connection the banner is still green: %s", got)
		}
		p = harness.Consume(t, cfg)
		page.Shows(p, "#live", "Live")
		p.Wait("the banner is current again", func() bool {
			return chrome.Eval[bool](page, "document.querySelector('[data-testid=stale]').hidden") && chrome.Eval[string](page, colour) == good
		})
		harness.Write(t, c, 0, harness.Encrypt(t, key, "after the restart"))
		page.Shows(p, "#rows li:first-child", "after the restart")
	})
}
