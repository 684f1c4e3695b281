package browser_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this the presenter could not show who reads a message, would have to scroll, or would show what is not true.
func TestConsole(t *testing.T) {
	t.Parallel()
	opened := openConsole(t, envelope.FormatRSA)
	lab := opened.lab

	t.Run("a typed line is in all four columns, and stays", func(t *testing.T) {
		c := opened.in(t)
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
		c := opened.in(t)
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
		c := opened.in(t)
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
		c := opened.in(t)
		mode := func() string { return chrome.Eval[string](c.Tab, "document.getElementById('log').dataset.mode") }
		for _, want := range []string{"frozen", "newest"} {
			chrome.Eval[bool](c.Tab, `document.querySelector("[data-testid=text-plain]").focus(), true`)
			c.Press(" ")
			c.Press("p")
			c.wait("the console is "+want, func() bool { return mode() == want })
		}
	})

	t.Run("a command that fails says so where all see it", func(t *testing.T) {
		c := opened.in(t)
		chrome.Eval[bool](c.Tab, `document.getElementById("scenario-good").value = "of no lab", document.getElementById("scenario-good").click(), true`)
		c.wait("the problem is shown", func() bool { return strings.Contains(c.Text(chrome.TestID("problem")), "is not known") })
		if !chrome.Eval[bool](c.Tab, `(() => { const box = document.getElementById("problem").getBoundingClientRect(); return box.width > 100 && box.top >= 0 && box.bottom < 720; })()`) {
			t.Error("the problem is not on the screen")
		}
		c.fits(t, "problem", 1280, 720)
	})

	t.Run("who wants to join finds broker and folder", func(t *testing.T) {
		c := opened.in(t)
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
		c := opened.in(t)
		chrome.Eval[bool](c.Tab, "const l = document.getElementById('line'); l.value = 'x'.repeat(319); l.dispatchEvent(new Event('input')); true")
		if got := c.Text("#length"); !strings.Contains(got, "Too long: 319 of at most 318 bytes (rsa)") {
			t.Errorf("the field says %q", got)
		}
		chrome.Eval[bool](c.Tab, "document.getElementById('line').value = '', document.getElementById('line').dispatchEvent(new Event('input')), true")
	})

	t.Run("no change starts while an attack runs", func(t *testing.T) {
		c := opened.in(t)
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
		c := opened.in(t)
		outcome := func(attack string) string {
			return chrome.Eval[string](c.Tab, fmt.Sprintf(`document.querySelector('[data-testid="outcome-%s-rsa"]').dataset.outcome`, attack))
		}
		for _, attack := range []string{"truncate", "plain"} {
			c.choose("attack-" + attack)
		}
		c.wait("both were done", func() bool { return outcome("truncate") != "" && outcome("plain") != "" })
	})

	t.Run("an attack's outcome is what the pod's API says", func(t *testing.T) {
		c := opened.in(t)
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
		c := opened.in(t)
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
		c := opened.in(t)
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
			c := opened.in(t)
			emulate(c.Tab, l)
			c.Visit(inLanguage(lab.Console+"/", l.lang))
			c.wait("a record is shown", func() bool { return c.column("stored") != "" })
			c.fits(t, l.String(), l.width, l.height)
		}
	})
}
