package browser_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// console is the presenter's page of a lab, in a browser.
type console struct {
	*chrome.Tab
	lab *harness.Lab
}

// openConsole starts a lab and opens its console, 1280 by 720 and in English, once a pod has read a record.
func openConsole(t *testing.T, format envelope.Format) console {
	t.Helper()
	harness.Require(t, harness.Chromium)
	lab := harness.StartLab(t, "", format)
	c := console{chrome.Open(chrome.Start(t), t, "about:blank"), lab}
	emulate(c.Tab, look{1280, 720, "light", "en"})
	c.wait("the console is served", func() bool {
		answer, err := http.Get(lab.Console)
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	c.Visit(lab.Console)
	c.wait("the confidential pod reads a record", func() bool { return strings.Contains(c.column("confidential"), "Msg") })
	return c
}

// in returns the console for a subtest.
func (c console) in(t *testing.T) console { return console{&chrome.Tab{T: t, Ctx: c.Ctx}, c.lab} }

func (c console) wait(what string, done func() bool) {
	c.T.Helper()
	c.lab.Confidential.Wait(what, done)
}

// column returns the record's text in a column, without line breaks.
func (c console) column(name string) string {
	c.T.Helper()
	return c.Text(chrome.TestID("text-" + name))
}

// choose presses a button, when it is there and can be pressed.
func (c console) choose(id string) {
	c.T.Helper()
	c.wait(id+" can be pressed", func() bool {
		return chrome.Eval[bool](c.Tab, fmt.Sprintf(`["false", null].includes(document.getElementById(%q)?.getAttribute("aria-disabled"))`, id))
	})
	chrome.Eval[bool](c.Tab, fmt.Sprintf("document.getElementById(%q).click(), true", id))
}

// position returns which record is in the columns.
func (c console) position() string {
	c.T.Helper()
	return chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.position")
}

// showAttacked puts a record of the last attack into the columns, for good: by itself it stays for ten seconds only.
func (c console) showAttacked() {
	c.T.Helper()
	at := ""
	c.wait("the attacked record is listed", func() bool {
		at = chrome.Eval[string](c.Tab, `document.querySelector("#log .cell.attacked button")?.value ?? ""`)
		return at != ""
	})
	c.choose("r-" + strings.Replace(at, "/", "-", 1) + "-button")
	c.wait("the attacked record is shown", func() bool {
		return c.position() == at && chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.mode") == "selected"
	})
}

// mouse does with the left button what a hand does.
func (c console) mouse(what input.DispatchMouseEventType, x, y float64) {
	c.T.Helper()
	if _, err := chromedp.Call(c.Ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: what, X: x, Y: y, Button: input.MouseButtonLeft, ClickCount: 1}); err != nil {
		c.T.Fatal(err)
	}
}

// fits checks that the page is one screen: nothing scrolls but the ciphertext and the list of records.
func (c console) fits(t *testing.T, name string, width, height int64) {
	t.Helper()
	got := chrome.Eval[[]string](c.Tab, fmt.Sprintf(`(() => {
		const root = document.documentElement, over = [];
		if (root.scrollHeight > %d || root.scrollWidth > %d) over.push("the page: " + root.scrollWidth + "x" + root.scrollHeight);
		for (const e of document.querySelectorAll("body, main, .panel, .column, .text:not(.cipher), td, th, button, .who, .facts dd, .attack-line, .failure, .diff")) {
			if (e.scrollHeight > e.clientHeight + 2 || e.scrollWidth > e.clientWidth + 2) over.push((e.className || e.tagName) + ": " + e.textContent.trim().slice(0, 60));
			if (e.getBoundingClientRect().bottom > %d + 1) over.push("below the screen: " + (e.className || e.tagName));
		}
		return over;
	})()`, height, width, height))
	for _, problem := range got {
		t.Errorf("%s: does not fit: %s", name, problem)
	}
}

// Without this another computer, or another page that the presenter has open, could attack or read in the presenter's name.
func TestConsoleIsForThisComputer(t *testing.T) {
	t.Parallel()
	lab := harness.StartLab(t, "", envelope.FormatRSA)
	lab.Confidential.Wait("the console answers", func() bool {
		answer, err := http.Get(lab.Console)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	for name, change := range map[string]func(*http.Request){
		"another host's name": func(r *http.Request) { r.Host = "kafka.example" },
		"a pod's page":        func(r *http.Request) { r.Header.Set("Origin", lab.Confidential.Page) },
		"another site":        func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a command of nobody": func(r *http.Request) { r.Method, r.URL.Path = http.MethodPost, "/attack" },
	} {
		r, err := http.NewRequest(http.MethodGet, lab.Console+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}
