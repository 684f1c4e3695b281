package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
)

// blockURLs lets requests for these addresses fail, and no others.
func blockURLs(page *chrome.Tab, patterns ...string) {
	page.T.Helper()
	var blocked []*network.BlockPattern
	for _, pattern := range patterns {
		blocked = append(blocked, &network.BlockPattern{URLPattern: pattern, Block: true})
	}
	if _, err := chromedp.Call(page.Ctx, network.Enable, network.EnableParams{}); err != nil {
		page.T.Fatal(err)
	}
	if _, err := chromedp.Call(page.Ctx, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: blocked}); err != nil {
		page.T.Fatal(err)
	}
}

// Without this a sentence from the audience would be on screen for one second: the next message would push it out of the
// large box, even while the page is paused.
func TestSampleIsHeld(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	write := func(text string) {
		t.Helper()
		harness.Write(t, c, 0, harness.Encrypt(t, key, text))
	}
	for i := range 30 {
		write(fmt.Sprintf("message %d", i))
	}
	p.WaitStates(map[string]int{"decrypted": 30})
	page := chrome.Open(chrome.Start(t), t, p.Page)
	page.Do(chromedp.EmulateViewport(1280, 720))
	page.Shows(p, "#live", "Live")
	page.Shows(p, "#sample .seen", "message 29")

	page.Click("#pause")
	page.Shows(p, "#live", "Paused")
	write("while it was paused")
	page.Shows(p, "#pause", "1 new")
	if got := page.Text("#sample .seen"); got != "message 29" {
		t.Errorf("while it was paused the sample became %q", got)
	}
	page.Click("#pause")
	page.Shows(p, "#sample .seen", "while it was paused")

	page.Click("#rows li:nth-child(5) summary")
	page.Shows(p, "#sample .seen", "message 26")
	page.Shows(p, chrome.TestID("sample-place"), "offset 26")
	write("while a row was open")
	page.Shows(p, "#pause", "1 new")
	if got := page.Text("#sample .seen"); got != "message 26" {
		t.Errorf("while a row was open the sample became %q", got)
	}
	page.Click("#rows li:nth-child(5) summary")
	page.Shows(p, "#sample .seen", "while a row was open")

	t.Run("of two rows opened quickly the later one is the sample", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
		// The answer for the first row is the slower one.
		chrome.Eval[bool](page, `(send => {
			window.fetch = async (url, options) => {
				if (!url.endsWith("/0/28?part=sample")) return send(url, options);
				await new Promise(r => window.deliver = r);
				try { return await send(url, options); } finally { setTimeout(() => window.delivered = true, 200); }
			};
		})(window.fetch), true`)
		page.Click("#rows li[id$='-0-28'] summary")
		p.Wait("the first sample is asked for", func() bool { return chrome.Eval[bool](page, "'deliver' in window") })
		page.Click("#rows li[id$='-0-30'] summary")
		page.Shows(p, "#sample .seen", "while it was paused")
		chrome.Eval[bool](page, "window.deliver(), true")
		p.Wait("the first answer has come", func() bool { return chrome.Eval[bool](page, "window.delivered === true") })
		if got := page.Text("#sample .seen"); got != "while it was paused" {
			t.Errorf("the slower answer became the sample: %q", got)
		}
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
	})

	t.Run("a row whose content gets no answer is filled by itself, and becomes the sample", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		chrome.Eval[bool](page, "window.failed = 0, window.fetch = (send => (...what) => { const answer = send(...what); answer.catch(() => failed++); return answer; })(window.fetch), true")
		blockURLs(page, p.Page+`/records/*\?*`)
		page.Click("#rows li[id$='-0-27'] summary")
		p.Wait("neither the row nor the sample gets an answer", func() bool { return chrome.Eval[int](page, "failed") >= 2 })
		blockURLs(page)
		page.Shows(p, "#rows details[open] .more", "message 27")
		page.Shows(p, "#sample .seen", "message 27")
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
	})

	t.Run("a row opened by keyboard scrolls into view", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		for range 9 {
			page.Press("j")
		}
		page.Press("\r")
		page.Shows(p, "#rows details[open] .more", "message")
		p.Wait("the opened row is in view", func() bool {
			return chrome.Eval[bool](page, "(b => b.top >= 0 && (b.bottom <= innerHeight || b.height > innerHeight - 60 && b.top < 80))(document.querySelector('#rows details[open]').getBoundingClientRect())")
		})
		page.Press("\x1b")
	})

	t.Run("a copy button keeps its width", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		page.Visit(p.Page + "/records/" + harness.Topic + "/0/3")
		const width = "document.querySelector('.copy').getBoundingClientRect().width"
		before := chrome.Eval[float64](page, width)
		chrome.Eval[bool](page, "document.querySelector('.copy').click(), true")
		p.Wait("the copy is marked", func() bool { return chrome.Eval[bool](page, "'mark' in document.querySelector('.copy').dataset") })
		if after := chrome.Eval[float64](page, width); after != before {
			t.Errorf("it is %.1f pixels wide, was %.1f", after, before)
		}
	})

	t.Run("filters apply as one types", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
		page.Click("#q")
		page.Press("message 1")
		page.Shows(p, chrome.TestID("matches"), "11 of 32")
		if got := page.Text("#rows"); strings.Contains(got, "message 2\n") || !strings.Contains(got, "message 1") {
			t.Errorf("the rows: %s", got)
		}
		page.Shows(p, "#live", "Live")
		write("message 100")
		page.Shows(p, chrome.TestID("matches"), "12 of 33")
		page.Shows(p, "#rows li:first-child", "message 100")
		page.Click("#clear")
		page.Shows(p, "#rows", "while it was paused")
		if got := chrome.Eval[string](page, "location.search + document.getElementById('q').value"); got != "" {
			t.Errorf("the filter is still %q", got)
		}
	})

	t.Run("a filter that gets no answer leaves the page as it is, and applies later", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		page.Visit(p.Page)
		page.Shows(p, "#live", "Live")
		blockURLs(page, p.Page+`/\?*`)
		page.Click("#q")
		page.Press("message 100")
		page.Shows(p, "#unfiltered:not([hidden])", "The filter is not applied")
		if got := chrome.Eval[string](page, "location.pathname + location.search + document.activeElement.id + document.getElementById('q').value"); got != "/qmessage 100" {
			t.Errorf("the viewer who types is now at %q", got)
		}
		if !strings.Contains(page.Text("#rows"), "message 20") {
			t.Error("the rows are gone")
		}
		blockURLs(page)
		page.Shows(p, chrome.TestID("matches"), "1 of 33")
		if got := page.Text("#unfiltered:not([hidden])"); got != "" {
			t.Errorf("the filter is applied, but the page says %q", got)
		}
		page.Click("#clear")
		page.Shows(p, "#rows", "while it was paused")
	})

	t.Run("printed, it is complete and has no buttons", func(t *testing.T) {
		page := &chrome.Tab{T: t, Ctx: page.Ctx}
		if _, err := chromedp.Call(page.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
			t.Fatal(err)
		}
		if got := chrome.Eval[int](page, "[...document.querySelectorAll('button, #filter, nav')].filter(e => e.getClientRects().length > 0).length"); got != 0 {
			t.Errorf("%d buttons or forms are printed", got)
		}
		if !strings.Contains(page.Text("#rows"), "message 5") {
			t.Error("the rows are not printed")
		}
	})
}
