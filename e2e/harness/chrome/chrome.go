// Package chrome opens pages in Chromium.
package chrome

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
)

// Tab is a page open in Chromium.
type Tab struct {
	T   testing.TB
	Ctx context.Context //nolint:containedctx // chromedp keeps the tab itself in it
}

// Start starts Chromium, for as many tabs as a test opens.
func Start(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	harness.Require(t, harness.Chromium)
	// Chromium's sandbox does not work for root or in most containers, and the tests open only their own pages.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// Open opens a page in a new tab.
func Open(browser context.Context, t testing.TB, url string) *Tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	p := &Tab{t, ctx}
	p.Visit(url)
	return p
}

// Text returns the visible text of the elements that the selector finds.
func (p *Tab) Text(selector string) string {
	p.T.Helper()
	return Eval[string](p, fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector))
}

// Click clicks an element.
func (p *Tab) Click(selector string) {
	p.T.Helper()
	// The page may replace the element between the search for it and the click.
	retry(p, "clicking "+selector, "Could not find node with given id", chromedp.Click(chromedp.CSS(selector)))
}

// NetworkChanged is Chromium's message when another program has added or removed a network of this computer, as Docker does:
// it ends its connections, also those to this computer.
const NetworkChanged = "net::ERR_NETWORK_CHANGED"

// retry runs an action again for as long as it meets the problem, and returns its result. what is named if it fails.
func retry[T any](p *Tab, what, problem string, action chromedp.Action[T]) T {
	p.T.Helper()
	for end := time.Now().Add(harness.Timeout); ; {
		value, err := chromedp.Run(p.Ctx, action)
		if err == nil {
			return value
		}
		if !strings.Contains(err.Error(), problem) || time.Now().After(end) {
			p.T.Fatalf("%s: %v", what, err)
		}
	}
}

// Eval returns the result of a script in the page.
func Eval[T any](p *Tab, script string) T {
	p.T.Helper()
	// A page that is being replaced cannot be asked; the next one can.
	return retry(p, script, "navigated", chromedp.Evaluate[T](script))
}

// Do runs actions.
func (p *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.T.Helper()
	if err := chromedp.Do(p.Ctx, steps...); err != nil {
		p.T.Fatal(err)
	}
}

// Press types keys.
func (p *Tab) Press(keys string) {
	p.T.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Visit opens a page in the tab.
func (p *Tab) Visit(url string) {
	p.T.Helper()
	retry(p, "visiting "+url, NetworkChanged, chromedp.Navigate(url))
}

// TestID returns the selector of a data-testid.
func TestID(name string) string { return fmt.Sprintf("[data-testid=%q]", name) }

// Shows waits until the elements that the selector finds hold a text.
func (p *Tab) Shows(source *harness.Pod, selector, text string) {
	p.T.Helper()
	source.Wait(fmt.Sprintf("%s shows %q", selector, text), func() bool { return strings.Contains(p.Text(selector), text) })
}
