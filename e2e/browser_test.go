package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tab is a page open in Chromium.
type tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // chromedp keeps the tab itself in it
}

// browser starts Chromium once, for as many tabs as a test opens.
func browser(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	need(t, chromium)
	// Chromium's own sandbox does not work for root or in most containers, and all that it opens here is ours.
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

func open(browser context.Context, t testing.TB, url string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	p := &tab{t, ctx}
	p.visit(url)
	return p
}

// text is what a person reads in the elements that the selector finds.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return looked[string](p, fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.does(chromedp.Click(chromedp.CSS(selector)))
}

// looked is what a script says of the page.
func looked[T any](p *tab, script string) T {
	p.t.Helper()
	for end := time.Now().Add(patience); ; {
		value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
		if err == nil {
			return value
		}
		// A page that is just then replaced by the next cannot be asked: the next one can.
		if !strings.Contains(err.Error(), "navigated") || time.Now().After(end) {
			p.t.Fatalf("%s: %v", script, err)
		}
	}
}

func (p *tab) does(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) press(keys string) {
	p.t.Helper()
	p.does(chromedp.KeyEvent(keys))
}

func (p *tab) visit(url string) {
	p.t.Helper()
	p.does(chromedp.Navigate(url))
}

// id selects by data-testid.
func id(name string) string { return fmt.Sprintf("[data-testid=%q]", name) }

// shown waits for a text in what the selector finds.
func (p *pod) shown(page *tab, selector, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%s shows %q", selector, text), func() bool { return strings.Contains(page.text(selector), text) })
}
