package browser_test

import (
	"fmt"
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this attacks would be caught and nobody would see it: the rows that say so scroll away among thousands.
func TestWhatIsWrongIsSeen(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile, cfg.WebHistory, cfg.WebName = k.Trusted, 40, "confidential"
	p := harness.Consume(t, cfg)
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	var good [][]byte
	for i := range 10 {
		good = append(good, seal(fmt.Sprintf("payment %d", i), 0))
	}
	harness.Write(t, c, 0, good...)
	p.WaitStates(map[string]int{"decrypted": 10})
	chromium := chrome.Start(t)
	page := chrome.Open(chromium, t, p.Page)
	page.Shows(p, "#live", "Live")
	page.Shows(p, "#alerts", "No sign of tampering")
	if chrome.Eval[bool](page, "document.getElementById('alerts').classList.contains('bad')") {
		t.Error("the strip is red though nothing is wrong")
	}

	altered := seal("payment 11", 0)
	altered[len(altered)-1] ^= 1
	seal("withheld", 0)
	harness.Write(t, c, 0, good[3], good[4], good[5], altered, seal("payment 13", 0))
	page.Shows(p, chrome.TestID("alert-repeat"), "3 replays or retries")
	page.Shows(p, chrome.TestID("alert-altered"), "1 altered or damaged")
	page.Shows(p, chrome.TestID("alert-gap"), "1 gap")
	if !chrome.Eval[bool](page, "document.getElementById('alerts').classList.contains('bad')") {
		t.Error("the strip is not red")
	}
	// A flag is as loud as the state beside it.
	flag, state := "#rows .flagged .flag", "#rows .flagged .state"
	const style = "(e => [parseFloat(e.fontSize), Number(e.fontWeight)])(getComputedStyle(document.querySelector(%q)))"
	loud, quiet := chrome.Eval[[]float64](page, fmt.Sprintf(style, flag)), chrome.Eval[[]float64](page, fmt.Sprintf(style, state))
	if loud[0] < quiet[0] || loud[1] < quiet[1] {
		t.Errorf("the flag has size and weight %v, the state %v", loud, quiet)
	}

	t.Run("without barriers", func(t *testing.T) {
		check, view := axe(t), chrome.Open(chromium, t, "about:blank")
		// The page's policy would not allow axe-core.
		if _, err := chromedp.Call(view.Ctx, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}); err != nil {
			t.Fatal(err)
		}
		for _, l := range []look{{320, 800, "light", "en"}, {320, 800, "dark", "ja"}, {1280, 720, "light", "ja"}, {1280, 720, "dark", "en"}} {
			emulate(view, l)
			view.Visit(inLanguage(p.Page+"/?problem=repeat", l.lang))
			checkAccess(view, check, l)
		}
		view.Visit(inLanguage(p.Page, "en"))
	})

	rows := func() int { return chrome.Eval[int](page, "document.querySelectorAll('#rows > li').length") }
	page.Click(chrome.TestID("alert-repeat"))
	p.Wait("only the replays are listed", func() bool { return rows() == 3 })
	page.Shows(p, chrome.TestID("matches"), "3 of 15")
	if got := page.Text("#rows"); strings.Count(got, "Seen before") != 3 {
		t.Errorf("the rows: %s", got)
	}
	if got := chrome.Eval[string](page, "location.search"); got != "?problem=repeat" {
		t.Errorf("the address holds %q", got)
	}
	harness.Write(t, c, 0, good[6], seal("of no interest", 0))
	page.Shows(p, chrome.TestID("alert-repeat"), "4 replays or retries")
	page.Shows(p, chrome.TestID("matches"), "4 of 17")
	p.Wait("the replay is added to the rows, and the filter stays the current one", func() bool {
		return rows() == 4 && chrome.Eval[string](page, "document.querySelector('#alerts [aria-current]')?.dataset.problem ?? ''") == "repeat"
	})
	page.Click(chrome.TestID("alert-repeat"))
	page.Shows(p, "#rows", "of no interest")

	// The history ends, the counts do not.
	var many [][]byte
	for i := range 60 {
		many = append(many, seal(fmt.Sprintf("later %d", i), 0))
	}
	harness.Write(t, c, 0, many...)
	page.Shows(p, "#rows li:first-child", "later 59")
	page.Visit(p.Page)
	if got := page.Text("#rows"); strings.Contains(got, "Seen before") {
		t.Errorf("the history still holds the replays: %s", got)
	}
	for problem, want := range map[string]string{"repeat": "4 replays or retries", "altered": "1 altered or damaged", "gap": "1 gap"} {
		if got := page.Text(chrome.TestID("alert-" + problem)); got != want {
			t.Errorf("after the end of the history: %q, want %q", got, want)
		}
	}
}
