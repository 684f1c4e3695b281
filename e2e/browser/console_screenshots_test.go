package browser_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// TestConsoleScreenshots takes the pictures of docs/demo.md, along its path; "make screenshots" runs it.
func TestConsoleScreenshots(t *testing.T) {
	if *screenshots == "" {
		harness.LeaveOut(t, "make screenshots")
	}
	c := openConsole(t, envelope.FormatRSA)
	as := func(l look) {
		emulate(c.Tab, l)
		c.Visit(inLanguage(c.lab.Console+"/", l.lang))
		c.wait("records are listed", func() bool { return chrome.Eval[int](c.Tab, "document.querySelectorAll('#log .cell').length") >= 14 })
	}
	take := func(name string) {
		t.Helper()
		picture, err := chromedp.Run(c.Ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	attack := func(names ...string) {
		for _, name := range names {
			c.choose("attack-" + name)
			c.wait("the attack "+name+" has an outcome", func() bool {
				return strings.Contains(c.Text(chrome.TestID("attack-line")), name+":") && chrome.Eval[string](c.Tab, "document.getElementById('scenario-good').getAttribute('aria-disabled')") == "false"
			})
		}
	}
	attacked := func() {
		c.wait("the attacked record is shown", func() bool {
			return chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.mode") == "attacked"
		})
	}
	five := []string{"tamper", "replay", "move", "plain", "forge"}

	as(look{1280, 720, "light", "en"})
	take("console")
	as(look{1280, 720, "light", "ja"})
	take("console-ja")
	as(look{1280, 720, "light", "en"})
	c.Do(chromedp.SendKeys(chromedp.ID("line"), "hello from the audience\r"))
	c.wait("the line is shown", func() bool { return c.column("confidential") == "hello from the audience" })
	take("console-typed")
	chrome.Eval[bool](c.Tab, "document.activeElement.blur(), true")
	attack(five...)
	attacked()
	take("console-rsa")
	c.choose("format-envelope")
	c.wait("the sender is proven", func() bool {
		return strings.Contains(c.Text(chrome.TestID("column-confidential")), "Signed by lab producer")
	})
	attack(five...)
	attacked()
	take("console-envelope")
	as(look{1280, 720, "light", "ja"})
	take("console-envelope-ja")
	c.choose("newest")
	c.choose("scenario-tampered")
	c.wait("what differs is shown", func() bool {
		return strings.Contains(c.Text(chrome.TestID("diff")), "allow_exec") && c.column("confidential") == c.column("stored")
	})
	take("console-tampered-ja")
	as(look{1280, 720, "light", "en"})
	take("console-tampered")
	c.choose("scenario-late")
	c.wait("the sidecar is awaited", func() bool {
		return strings.Contains(c.Text(chrome.TestID("planned")), "Sidecar starts in") && c.Text(chrome.TestID("failure")) != "" && c.column("confidential") == c.column("stored")
	})
	take("console-late")
}
