package browser_test

import (
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this people with poor sight or without a mouse could not use the console.
func TestEveryoneCanUseTheConsole(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	check := axe(t)
	lab := harness.StartLab(t, "tampered", envelope.FormatRSA)
	view := chrome.Open(chrome.Start(t), t, "about:blank")
	// The page's policy would not allow axe-core.
	if _, err := chromedp.Call(view.Ctx, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	lab.Confidential.Wait("the key is refused", func() bool { return lab.Confidential.KeyState() == "refused" })
	for _, state := range []string{"tampered", "good"} {
		c := console{view, lab}
		if state == "good" {
			c.choose("scenario-good")
		}
		for _, width := range []int64{1280, 320} {
			for _, colours := range []string{"light", "dark"} {
				for _, lang := range []string{"en", "ja"} {
					l := look{width, 800, colours, lang}
					t.Run(state+" "+l.String(), func(t *testing.T) {
						c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
						emulate(c.Tab, l)
						c.Visit(inLanguage(lab.Console+"/", lang))
						c.wait("the state is shown", func() bool {
							refused := strings.Contains(c.Text(chrome.TestID("diff")), "allow_exec")
							read := c.column("confidential") == c.column("plain")
							return c.column("stored") != "" && refused == (state == "tampered") && read == (state == "good")
						})
						checkAccess(c.Tab, check, l)
					})
				}
			}
		}
	}
}
