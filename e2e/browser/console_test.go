package browser_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdppage "github.com/chromedp/cdproto/page"
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

func openConsole(t *testing.T, view *chrome.Tab, lab *harness.Lab) {
	t.Helper()
	c := console{view, lab}
	c.wait("the console is served", func() bool {
		answer, err := http.Get(lab.Console)
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	c.Visit(lab.Console)
	c.wait("the confidential pod reads a record", func() bool { return strings.Contains(c.column("confidential"), "Msg") })
}

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

// Without this the presenter could not show who reads a message, would have to scroll, or would show what is not true.
func TestConsole(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	lab := harness.StartLab(t, "", envelope.FormatRSA)
	view := chrome.Open(chrome.Start(t), t, "about:blank")
	emulate(view, look{1280, 720, "light", "en"})
	openConsole(t, view, lab)

	t.Run("a typed line is in all four columns, and stays", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		start := time.Now()
		c.Do(chromedp.SendKeys(chromedp.ID("line"), "hello from the audience\r"))
		c.wait("the line is in all columns", func() bool {
			return c.column("plain") == "hello from the audience" && c.column("confidential") == "hello from the audience" && c.column("ordinary") != ""
		})
		t.Logf("measured: a typed line is in all four columns after %v", time.Since(start).Round(10*time.Millisecond))
		at := chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.position")
		partition, offset, _ := strings.Cut(at, "/")
		stored, ordinary := c.column("stored"), c.column("ordinary")
		if stored != ordinary || len(stored) < 100 || strings.Contains(stored, "hello") {
			t.Errorf("Kafka's operator sees %.80q, the ordinary pod %.80q", stored, ordinary)
		}
		for _, r := range lab.Confidential.Records() {
			if fmt.Sprint(r.Partition) == partition && fmt.Sprint(r.Offset) == offset && (r.Value != "hello from the audience" || base64.StdEncoding.EncodeToString([]byte(stored)) != r.Wire) {
				t.Errorf("the pod's API has another record at %s", at)
			}
		}
		c.wait("a newer record is listed", func() bool {
			return chrome.Eval[int](c.Tab, "[...document.querySelectorAll('#log .cell')].findIndex(c => c.classList.contains('typed'))") >= 1
		})
		// On a slow computer the ten seconds may be over by now.
		if got := c.column("confidential"); got != "hello from the audience" && time.Since(start) < 8*time.Second {
			t.Errorf("after a newer record the columns show %q", got)
		}
		lab.Type(t, "typed in the terminal")
		c.wait("a line from the terminal is shown, too", func() bool { return c.column("confidential") == "typed in the terminal" })
	})

	t.Run("p freezes, and an earlier record is shown when chosen", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		chrome.Eval[bool](c.Tab, "document.activeElement.blur(), true")
		c.Press("p")
		c.wait("the console is frozen", func() bool {
			return chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.mode") == "frozen"
		})
		frozen := c.column("plain")
		newest := chrome.Eval[string](c.Tab, "document.querySelector('#log .cell').id")
		c.wait("newer records are listed", func() bool { return chrome.Eval[string](c.Tab, "document.querySelector('#log .cell').id") != newest })
		if got := c.column("plain"); got != frozen {
			t.Errorf("frozen at %q, the console shows %q", frozen, got)
		}
		for _, r := range lab.Confidential.Records() {
			if strings.HasPrefix(r.Value, "Msg 1:") {
				c.choose(fmt.Sprintf("r-%d-%d-button", r.Partition, r.Offset))
			}
		}
		c.wait("the first record is in all columns", func() bool {
			return strings.HasPrefix(c.column("plain"), "Msg 1:") && c.column("plain") == c.column("confidential")
		})
		c.choose("newest")
		c.wait("the newest record is shown", func() bool { return !strings.HasPrefix(c.column("plain"), "Msg 1:") })
	})

	t.Run("a click is not lost while records come", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		c.wait("three records are listed", func() bool { return chrome.Eval[int](c.Tab, "document.querySelectorAll('#log .cell').length") >= 3 })
		at := chrome.Eval[[]float64](c.Tab, `(() => {
			const cell = document.querySelectorAll("#log .cell button")[2], box = cell.getBoundingClientRect();
			window.wanted = cell.value;
			window.updates = 0;
			new EventSource("/events").onmessage = (e) => { if ("log" in JSON.parse(e.data)) updates++; };
			return [box.x + box.width / 2, box.y + box.height / 2];
		})()`)
		c.mouse(input.DispatchMouseEventTypeMousePressed, at[0], at[1])
		c.wait("newer records have come", func() bool { return chrome.Eval[int](c.Tab, "updates") >= 4 })
		c.mouse(input.DispatchMouseEventTypeMouseReleased, at[0], at[1])
		c.wait("the record under the mouse is shown", func() bool {
			return chrome.Eval[bool](c.Tab, "document.getElementById('columns').dataset.position === wanted && document.getElementById('columns').dataset.mode === 'selected'")
		})
		c.choose("newest")
		c.wait("the newest record is shown", func() bool {
			return chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.mode") == "newest"
		})
	})

	t.Run("p works in a column, and space scrolls it", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		mode := func() string { return chrome.Eval[string](c.Tab, "document.getElementById('log').dataset.mode") }
		for _, want := range []string{"frozen", "newest"} {
			chrome.Eval[bool](c.Tab, `document.querySelector("[data-testid=text-plain]").focus(), true`)
			c.Press(" ")
			c.Press("p")
			c.wait("the console is "+want, func() bool { return mode() == want })
		}
	})

	t.Run("a command that fails says so where all see it", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		chrome.Eval[bool](c.Tab, `document.getElementById("scenario-good").value = "of no lab", document.getElementById("scenario-good").click(), true`)
		c.wait("the problem is shown", func() bool { return strings.Contains(c.Text(chrome.TestID("problem")), "is not known") })
		if !chrome.Eval[bool](c.Tab, `(() => { const box = document.getElementById("problem").getBoundingClientRect(); return box.width > 100 && box.top >= 0 && box.bottom < 720; })()`) {
			t.Error("the problem is not on the screen")
		}
		c.fits(t, "problem", 1280, 720)
	})

	t.Run("who wants to join finds broker and folder", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		c.fits(t, "sandbox-closed", 1280, 720)
		c.Click("[popovertarget='sandbox']")
		if open := chrome.Eval[bool](c.Tab, "document.getElementById('sandbox').matches(':popover-open')"); !open {
			t.Error("the button opens nothing")
		}
		if got := c.Text("#sandbox"); !strings.Contains(got, "sandbox.env") || !strings.Contains(got, "127.0.0.1:") {
			t.Errorf("it says %q", got)
		}
		c.fits(t, "sandbox", 1280, 720)
		c.Click("[popovertarget='sandbox']")
	})
	t.Run("a line that is too long is refused at the field", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		chrome.Eval[bool](c.Tab, "const l = document.getElementById('line'); l.value = 'x'.repeat(319); l.dispatchEvent(new Event('input')); true")
		if got := c.Text("#length"); !strings.Contains(got, "Too long: 319 of at most 318 bytes (rsa)") {
			t.Errorf("the field says %q", got)
		}
		chrome.Eval[bool](c.Tab, "document.getElementById('line').value = '', document.getElementById('line').dispatchEvent(new Event('input')), true")
	})

	t.Run("no change starts while an attack runs", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		chrome.Eval[bool](c.Tab, `(() => {
			window.disabled = new Set();
			new MutationObserver(() => {
				for (const b of document.querySelectorAll('[aria-disabled="true"]')) disabled.add(b.id);
			}).observe(document.body, { childList: true, subtree: true });
			return true;
		})()`)
		c.choose("attack-tamper")
		c.wait("the outcome is shown", func() bool {
			return chrome.Eval[string](c.Tab, `document.querySelector('[data-testid="outcome-tamper-rsa"]').dataset.outcome`) != ""
		})
		for _, id := range []string{"scenario-tampered", "format-envelope", "data-payments"} {
			if !chrome.Eval[bool](c.Tab, fmt.Sprintf("disabled.has(%q)", id)) {
				t.Errorf("meanwhile %s could be pressed", id)
			}
		}
	})

	t.Run("an attack that is pressed while another runs is next", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		outcome := func(attack string) string {
			return chrome.Eval[string](c.Tab, fmt.Sprintf(`document.querySelector('[data-testid="outcome-%s-rsa"]').dataset.outcome`, attack))
		}
		for _, attack := range []string{"truncate", "plain"} {
			c.choose("attack-" + attack)
		}
		c.wait("both were done", func() bool { return outcome("truncate") != "" && outcome("plain") != "" })
	})

	t.Run("an attack's outcome is what the pod's API says", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		c.choose("attack-replay")
		c.wait("the outcome is shown", func() bool {
			return chrome.Eval[string](c.Tab, `document.querySelector('[data-testid="outcome-replay-rsa"]').dataset.outcome`) != ""
		})
		shown := chrome.Eval[string](c.Tab, `document.querySelector('[data-testid="outcome-replay-rsa"]').dataset.outcome`)
		records := lab.Confidential.Records()
		said := "refused"
		for i, r := range records {
			for _, earlier := range records[i+1:] {
				if r.Wire == earlier.Wire && r.State == "decrypted" {
					said = map[bool]string{true: "not_noticed", false: "flagged"}[len(r.Flags) == 0]
				}
			}
		}
		if shown != said {
			t.Errorf("the console says %q, the pod's API %q", shown, said)
		}
		c.wait("the attacked record is shown", func() bool { return chrome.Eval[bool](c.Tab, "!!document.querySelector('#log .cell.attacked.shown')") })
		c.fits(t, "attacked", 1280, 720)
	})

	t.Run("what is not noticed is said, whole, in both languages", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		for attack, says := range map[string]string{"drop": "Nothing on the pod's page says so.", "reader": "Kafka's operator could read it; NOT NOTICED:"} {
			c.choose("attack-" + attack)
			c.wait("the outcome is shown", func() bool { return strings.Contains(c.Text("#attack-line"), says) })
			c.showAttacked()
			c.wait("the outcome is beside the record", func() bool {
				return strings.Contains(c.Text(chrome.TestID("column-confidential")), attack+": NOT NOTICED")
			})
			c.fits(t, attack, 1280, 720)
			c.Visit(inLanguage(lab.Console+"/", "ja"))
			c.fits(t, attack+", ja", 1280, 720)
			c.Visit(inLanguage(lab.Console+"/", "en"))
		}
		if got := chrome.Eval[string](c.Tab, `document.querySelector("[data-testid=column-confidential] [data-testid=sender]").className`); got != "sender wait" {
			t.Errorf("beside a record that nobody vouches for, the sender is %q", got)
		}
		c.choose("newest")
	})

	t.Run("another scenario and another format, without a restart", func(t *testing.T) {
		c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
		c.choose("scenario-tampered")
		c.wait("the failing step is shown, with what differs", func() bool {
			return strings.Contains(c.Text(chrome.TestID("diff")), "allow_exec := true") && c.Text(chrome.TestID("expected")) != "" && c.Text(chrome.TestID("measured")) != ""
		})
		if c.Text(chrome.TestID("expected")) == c.Text(chrome.TestID("measured")) {
			t.Error("expected and measured are the same")
		}
		c.wait("the confidential pod has ciphertext, too", func() bool { return c.column("confidential") != "" && c.column("confidential") == c.column("stored") })
		c.fits(t, "tampered", 1280, 720)
		c.choose("scenario-good")
		c.wait("the confidential pod reads again", func() bool { return c.column("confidential") == c.column("plain") && c.column("plain") != "" })
		c.choose("format-envelope")
		c.wait("the sender is proven", func() bool {
			return strings.Contains(c.Text(chrome.TestID("column-confidential")), "Signed by lab producer")
		})
		c.choose("attack-replay")
		c.wait("the warning is shown", func() bool { return strings.Contains(c.Text(chrome.TestID("column-confidential")), "Seen before") })
		c.fits(t, "flagged", 1280, 720)
		c.choose("newest")
		c.choose("data-payments")
		c.wait("payments are read", func() bool { return strings.Contains(c.column("confidential"), "account") })
		c.fits(t, "payments", 1280, 720)
	})

	t.Run("one screen", func(t *testing.T) {
		for _, l := range []look{{1280, 720, "light", "en"}, {1280, 720, "light", "ja"}, {1920, 1080, "dark", "en"}} {
			c := console{&chrome.Tab{T: t, Ctx: view.Ctx}, lab}
			emulate(c.Tab, l)
			c.Visit(inLanguage(lab.Console+"/", l.lang))
			c.wait("a record is shown", func() bool { return c.column("stored") != "" })
			c.fits(t, l.String(), l.width, l.height)
		}
	})
}

// Without this an attack that got a message out, or that a later policy does not see, would look refused and forgotten; and
// nobody would see which record is missing.
func TestConsoleTellsWhatAttacksDid(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	lab := harness.StartLab(t, "", "envelope")
	view := chrome.Open(chrome.Start(t), t, "about:blank")
	emulate(view, look{1280, 720, "light", "en"})
	openConsole(t, view, lab)
	c := console{view, lab}
	attack := func(name, became string) {
		t.Helper()
		c.choose("attack-" + name)
		c.wait("what became of "+name, func() bool { return strings.Contains(c.Text("#attack-line"), became) })
		c.showAttacked()
		c.fits(t, name, 1280, 720)
	}

	attack("reader", "Kafka's operator could read it; the pod refused it:")
	if got := c.column("stored"); !strings.HasSuffix(got, "Azure Confidential Computing") || got != c.column("plain") {
		t.Errorf("the operator has read %q, the producer wrote %q", got, c.column("plain"))
	}
	if cell := chrome.Eval[string](view, `document.querySelector('[data-testid="outcome-reader-envelope"]').className`); !strings.HasPrefix(cell, "wait") {
		t.Errorf("an attack by which a message got out is %q on the scoreboard", cell)
	}

	attack("drop", "records are missing.")
	missing, _, _ := strings.Cut(strings.TrimSpace(strings.SplitN(c.Text("#attack-line"), "attack flagged:", 2)[1]), " ")
	c.choose("r-" + strings.Replace(missing, "/", "-", 1) + "-button")
	c.wait("both pods' columns say that the record is withheld", func() bool {
		return c.position() == missing && strings.Contains(c.Text(chrome.TestID("column-confidential")), "Withheld from this pod") && strings.Contains(c.Text(chrome.TestID("column-ordinary")), "Withheld from this pod")
	})
	if got := c.column("plain"); !strings.Contains(c.Text("#attack-line"), "“"+got+"”") {
		t.Errorf("%s is missing, which was %q, and the console says %q", missing, got, c.Text("#attack-line"))
	}
	c.fits(t, "withheld", 1280, 720)

	attack("forge", "attack refused:")
	forged := c.position()
	for lang, says := range map[string]string{"ja": "今後は不要: envelope、署名", "en": "The pods restart, and accept any record. No longer required: envelope, signature"} {
		c.Visit(inLanguage(lab.Console+"/", lang))
		c.wait("the console says what a switch changes", func() bool {
			chrome.Eval[bool](view, `document.getElementById("format-envelope-unsigned").dispatchEvent(new MouseEvent("mouseover", { bubbles: true })), true`)
			return strings.Contains(c.Text("#attack-line"), says)
		})
		c.fits(t, "before the switch, "+lang, 1280, 720)
	}
	c.Visit(inLanguage(lab.Console+"/", "en"))
	c.choose("format-envelope-unsigned")
	c.wait("the console says what is not required any more", func() bool {
		return strings.HasPrefix(c.Text("#attack-line"), "The pods accept any record. No longer required:")
	})
	c.choose("r-" + strings.Replace(forged, "/", "-", 1) + "-button")
	c.wait("the forgery opens, and is remembered as one", func() bool {
		seen := c.Text(chrome.TestID("column-confidential"))
		return c.position() == forged && strings.Contains(seen, "Decrypted") && strings.Contains(seen, "forge with envelope: refused")
	})
	if column := chrome.Eval[string](view, `document.querySelector('[data-testid="column-confidential"]').className`); strings.Contains(column, "good") {
		t.Errorf("a forgery that was refused is %q now", column)
	}
	c.fits(t, "after the switch", 1280, 720)

	c.choose("newest")
	c.choose("data-payments")
	c.wait("payments are read", func() bool { return strings.Contains(c.column("confidential"), "account") })
	attack("reader", "Kafka's operator could read it; the pod flagged it:") // the column that says the most
	if got := c.column("stored"); !strings.Contains(got, "account") {
		t.Errorf("the operator has read %q", got)
	}
}

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
