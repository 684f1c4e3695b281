package browser_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this nobody would notice the moment in which the key arrives.
func TestRecordsOpenWhenTheKeyArrives(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	browser := chrome.Start(t)
	for name, motion := range map[string]string{"one after the other": "no-preference", "at once, if the viewer wants no motion": "reduce"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := harness.StartLab(t, "late", envelope.FormatRSA)
			c := console{chrome.Open(browser, t, "about:blank"), lab}
			lab.Ordinary.Wait("records are there", func() bool { return lab.Ordinary.Count("no_key") >= 6 })
			if _, err := chromedp.Call(c.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: motion}}}); err != nil {
				t.Fatal(err)
			}
			c.Visit(lab.Console)
			c.wait("the records are ciphertext", func() bool {
				return chrome.Eval[int](c.Tab, "document.querySelectorAll('#log .cell.wait').length") >= 6
			})
			chrome.Eval[bool](c.Tab, `(() => {
				window.waited = 0;
				new MutationObserver(() => {
					waited = Math.max(waited, document.querySelectorAll('#log .cell.wait[data-severity="good"]').length);
				}).observe(document.body, { childList: true, subtree: true });
				return true;
			})()`)
			lab.NextEvent(t)
			c.wait("all records are decrypted", func() bool {
				return chrome.Eval[int](c.Tab, "document.querySelectorAll('#log .cell.good').length") >= 6 && chrome.Eval[int](c.Tab, "document.querySelectorAll('#log .cell.wait').length") == 0
			})
			if waited := chrome.Eval[int](c.Tab, "waited"); (waited > 0) != (motion == "no-preference") {
				t.Errorf("%d decrypted records waited for the one before", waited)
			}
		})
	}
}
