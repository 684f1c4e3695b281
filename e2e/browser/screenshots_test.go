package browser_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

var screenshots = flag.String("screenshots", "", "directory that TestScreenshots writes the pictures of the README into")

// TestScreenshots takes the pictures for the README and docs/; "make screenshots" runs it.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		harness.LeaveOut(t, "make screenshots")
	}
	harness.Require(t, harness.Chromium)
	s := startLabs(t, envelope.FormatRSA) // as make demo
	s.released.Confidential.Wait("the list is full", func() bool { return s.released.Confidential.Count("decrypted") >= 12 })
	released, ordinary, tampered := s.released.Confidential.Page, s.released.Ordinary.Page, s.tampered.Confidential.Page
	view := chrome.Open(chrome.Start(t), t, "about:blank")
	for name, shot := range map[string]struct {
		url string
		as  look
	}{
		"released":       {released, look{1280, 720, "light", "en"}},
		"released-dark":  {released, look{1280, 720, "dark", "en"}},
		"released-ja":    {released, look{1280, 720, "light", "ja"}},
		"released-phone": {released, look{390, 844, "light", "en"}},
		"refused":        {tampered, look{1280, 900, "light", "en"}},
		"refused-ja":     {tampered, look{1280, 900, "light", "ja"}},
		"ordinary":       {ordinary, look{1280, 720, "light", "en"}},
		"ordinary-ja":    {ordinary, look{1280, 720, "light", "ja"}},
		"record":         {released + "/records/" + harness.Topic + "/0/1", look{1280, 720, "light", "en"}},
		"proof":          {released + "/proof", look{1280, 720, "light", "en"}},
	} {
		emulate(view, shot.as)
		view.Visit(inLanguage(shot.url, shot.as.lang))
		if shot.url == released {
			view.Shows(s.released.Confidential, "#sample .seen", "Msg")
		}
		if !strings.Contains(shot.url, "/records/") && !strings.HasSuffix(shot.url, "/proof") {
			s.released.Confidential.Wait("the page is live", func() bool {
				return chrome.Eval[string](view, "document.getElementById('live').dataset.state") == "live"
			})
		}
		if shot.url == tampered {
			chrome.Eval[bool](view, "document.getElementById('verdict').open = true")
		}
		picture, err := chromedp.Run(view.Ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
