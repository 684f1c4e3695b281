package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this a viewer could not click while the page is under attack: what they press is replaced before they release
// the button.
func TestClickOutlastsUpdates(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile = k.Trusted
	p := harness.Consume(t, cfg)
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	genuine := seal("a payment", 0)
	harness.Write(t, c, 0, genuine, genuine)
	p.WaitStates(map[string]int{"decrypted": 2})
	page := chrome.Open(chrome.Start(t), t, p.Page)
	page.Do(chromedp.EmulateViewport(1280, 720))

	for _, test := range []struct{ pressed, done string }{
		{chrome.TestID("alert-repeat"), "location.search === '?problem=repeat'"},
		{"#rows li:first-child summary", "document.querySelector('#rows li[data-pressed] details').open"},
	} {
		t.Run(test.pressed, func(t *testing.T) {
			page := &chrome.Tab{T: t, Ctx: page.Ctx}
			var at []float64
			mouse := func(event input.DispatchMouseEventType, buttons int64) {
				t.Helper()
				if _, err := chromedp.Call(page.Ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: event, X: at[0], Y: at[1], Button: input.MouseButtonLeft, Buttons: buttons, ClickCount: 1}); err != nil {
					t.Fatal(err)
				}
			}
			for held := time.Hour; held > 8*time.Second; { // the page waits for ten seconds at most, which a busy machine can miss
				page.Visit(p.Page)
				page.Shows(p, "#live", "Live")
				// A second stream of the same page tells when there were updates.
				chrome.Eval[bool](page, "window.updates = 0, new EventSource('/api/events').onmessage = e => { if (JSON.parse(e.data).parts?.alerts) window.updates++; }, true")
				updates := func(n int) {
					t.Helper()
					p.Wait("the strip was updated", func() bool { return chrome.Eval[int](page, "window.updates") >= n })
				}
				updates(1)
				at = chrome.Eval[[]float64](page, fmt.Sprintf("(b => [b.x + 20, b.y + b.height / 2])(document.querySelector(%q).getBoundingClientRect())", test.pressed))
				chrome.Eval[bool](page, "document.querySelector('#rows li').dataset.pressed = '1', true")
				start := time.Now()
				mouse(input.DispatchMouseEventTypeMousePressed, 1)
				for i := range 2 {
					harness.Write(t, c, 0, genuine)
					updates(2 + i)
				}
				mouse(input.DispatchMouseEventTypeMouseReleased, 0)
				held = time.Since(start)
			}
			p.Wait("the click counts", func() bool { return chrome.Eval[bool](page, test.done) })
			p.Wait("the page goes on", func() bool {
				return chrome.Eval[string](page, fmt.Sprintf("document.querySelector(%q).textContent", chrome.TestID("alert-repeat"))) == fmt.Sprintf("%d replays or retries", p.Count("decrypted")-1)
			})
		})
	}
}
