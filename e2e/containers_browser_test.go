package e2e_test

import (
	"strings"
	"testing"
)

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
	confidential.shown(left, "#live", "Live")
	ordinary.shown(right, "#live", "Live")

	// A record that comes while the pages are open appears on both by itself, as each may see it.
	second := encrypt(t, key, "while it was open")
	write(t, c, 0, second)
	confidential.shown(left, "#rows", "while it was open")
	confidential.wait("and stands before the older one", func() bool { return strings.Contains(left.text("#rows li:first-child"), "while it was open") })
	confidential.shown(left, "#hero .seen", "while it was open")
	ordinary.shown(right, "#rows", string(second))
	if got := right.text("body"); strings.Contains(got, "while it was open") || !strings.Contains(got, "No key") {
		t.Errorf("the ordinary pod's page: %s", got)
	}
	if got := left.text("#verdict"); !strings.Contains(got, "Key released") {
		t.Errorf("the confidential pod's verdict: %s", got)
	}

	// Pause holds the rows, counts what waits, and brings it when it is resumed.
	left.click("#pause")
	confidential.shown(left, "#live", "Paused")
	rows := left.text("#rows")
	write(t, c, 0, encrypt(t, key, "while it was paused"))
	confidential.shown(left, "#pause", "1 new")
	if got := left.text("#rows"); got != rows {
		t.Errorf("the rows changed while the page was paused: %s", got)
	}
	left.click("#pause")
	confidential.shown(left, "#rows li:first-child", "while it was paused")
}
