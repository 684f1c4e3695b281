package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"

	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this who presses an attack would read what it does, and never what became of it: the pointer is still on the button.
func TestOutcomeReachesWhoPressed(t *testing.T) {
	t.Parallel()
	c := openConsole(t, envelope.FormatRSA)
	move := func(id string) (x, y float64) {
		t.Helper()
		at := chrome.Eval[[]float64](c.Tab, fmt.Sprintf(`(b => [b.x + b.width / 2, b.y + b.height / 2])(document.getElementById(%q).getBoundingClientRect())`, id))
		c.mouse(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])
		return at[0], at[1]
	}
	line := func() string { return c.Text("#attack-line") }
	x, y := move("attack-forge")
	c.wait("what the attack does is said before", func() bool { return strings.HasPrefix(line(), "forge: Encrypt a message") })
	c.mouse(input.DispatchMouseEventTypeMousePressed, x, y)
	c.mouse(input.DispatchMouseEventTypeMouseReleased, x, y)
	c.wait("what became of it is said", func() bool { return strings.Contains(line(), "attack NOT NOTICED:") })
	c.wait("the next record is shown", func() bool {
		return chrome.Eval[string](c.Tab, "document.getElementById('columns').dataset.mode") == "newest"
	})
	if got := line(); !strings.Contains(got, "attack NOT NOTICED:") {
		t.Errorf("a while later the line is %q", got)
	}
	move("attack-replay")
	c.wait("another attack is described", func() bool { return strings.HasPrefix(line(), "replay: Write a record once more") })
	c.choose("attack-plain") // as from the terminal
	c.wait("what became of that is said, whatever the pointer is on", func() bool {
		return strings.HasPrefix(line(), "plain:") && strings.Contains(line(), "attack ")
	})
	move("scenario-tampered")
	c.wait("a scenario is described before it is chosen, and the outcome is there again", func() bool {
		return strings.HasPrefix(c.Text("#waits"), "tampered: Somebody changed") && strings.HasPrefix(line(), "plain: ")
	})
	c.choose("scenario-tampered")
	c.wait("the step that failed is shown", func() bool { return c.Text(chrome.TestID("expected")) != "" })
	if !strings.Contains(c.Text("#verify-command"), "go run ./cmd/verify") || !chrome.Eval[bool](c.Tab, "document.getElementById('verify-command').checkVisibility()") {
		t.Error("beside the failure the command that verifies the pod is not to be seen")
	}
	c.fits(t, "tampered", 1280, 720)
}
