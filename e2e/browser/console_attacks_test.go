package browser_test

import (
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this an attack that got a message out, or that a later policy does not see, would look refused and forgotten; and
// nobody would see which record is missing.
func TestConsoleTellsWhatAttacksDid(t *testing.T) {
	t.Parallel()
	c := openConsole(t, envelope.FormatEnvelope)
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
	if cell := chrome.Eval[string](c.Tab, `document.querySelector('[data-testid="outcome-reader-envelope"]').className`); !strings.HasPrefix(cell, "wait") {
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
	for lang, says := range map[string]string{"ja": "今後は不要: envelope 形式、署名", "en": "The pods restart and accept any record. No longer required: envelope format, a signature"} {
		c.Visit(inLanguage(c.lab.Console+"/", lang))
		c.wait("the console says what a switch changes", func() bool {
			chrome.Eval[bool](c.Tab, `document.getElementById("format-envelope-unsigned").dispatchEvent(new MouseEvent("mouseover", { bubbles: true })), true`)
			return strings.Contains(c.Text("#attack-line"), says)
		})
		c.fits(t, "before the switch, "+lang, 1280, 720)
	}
	c.Visit(inLanguage(c.lab.Console+"/", "en"))
	c.choose("format-envelope-unsigned")
	c.wait("the console says what is not required any more", func() bool {
		return strings.HasPrefix(c.Text("#attack-line"), "The pods accept any record. No longer required:")
	})
	c.choose("r-" + strings.Replace(forged, "/", "-", 1) + "-button")
	c.wait("the forgery opens, and is remembered as one", func() bool {
		seen := c.Text(chrome.TestID("column-confidential"))
		return c.position() == forged && strings.Contains(seen, "Decrypted") && strings.Contains(seen, "forge with envelope, signed: refused")
	})
	if column := chrome.Eval[string](c.Tab, `document.querySelector('[data-testid="column-confidential"]').className`); strings.Contains(column, "good") {
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
