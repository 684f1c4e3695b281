package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

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
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return &tab{t, ctx}
}

// text is what a person reads in the elements that the selector finds.
func (p *tab) text(selector string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector)))
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *tab) click(selector string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		p.t.Fatal(err)
	}
}

// Without it the page could work for programs that ask it, and not for the
// people it is there for.
func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	need(t, engine, kafkaImage, chromium)
	c, key := startKafka(t, 1), newKey(t)
	_, url := sidecar(t, key)
	confidential, _ := startConsumer(t, c, url, "CONSUMERGROUP=confidential")
	ordinary, _ := startConsumer(t, c, nowhere, "CONSUMERGROUP=ordinary")
	write(t, c, 0, encrypt(t, key, "before the page was open"))
	confidential.waitStates(map[string]int{"decrypted": 1})
	ordinary.waitStates(map[string]int{"no_key": 1})

	chromium := browser(t)
	left, right := open(chromium, t, confidential.page), open(chromium, t, ordinary.page)
	shows := func(p *tab, selector, text string) func() bool {
		return func() bool { return strings.Contains(p.text(selector), text) }
	}
	confidential.wait("the page is live", shows(left, "#live", "Live"))
	ordinary.wait("the other page is live", shows(right, "#live", "Live"))

	// A record that comes while the pages are open appears on both by itself, as each may see it.
	second := encrypt(t, key, "while it was open")
	write(t, c, 0, second)
	confidential.wait("the new row is there", shows(left, "#rows", "while it was open"))
	confidential.wait("and stands before the older one", func() bool { return strings.Contains(left.text("#rows li:first-child"), "while it was open") })
	confidential.wait("and in the middle of the page", shows(left, "#hero .seen", "while it was open"))
	ordinary.wait("the ciphertext is there", shows(right, "#rows", string(second)))
	if got := right.text("body"); strings.Contains(got, "while it was open") || !strings.Contains(got, "No key") {
		t.Errorf("the ordinary pod's page: %s", got)
	}
	if got := left.text("#verdict"); !strings.Contains(got, "Key released") {
		t.Errorf("the confidential pod's verdict: %s", got)
	}

	// Pause holds the rows, counts what waits, and brings it when it is resumed.
	left.click("#pause")
	confidential.wait("it is paused", shows(left, "#live", "Paused"))
	rows := left.text("#rows")
	write(t, c, 0, encrypt(t, key, "while it was paused"))
	confidential.wait("it says that something waits", shows(left, "#pause", "1 new"))
	if got := left.text("#rows"); got != rows {
		t.Errorf("the rows changed while the page was paused: %s", got)
	}
	left.click("#pause")
	confidential.wait("what waited is there", shows(left, "#rows li:first-child", "while it was paused"))
}
