package browser_test

import (
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this the page could work for programs, and not for people.
func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Engine, harness.KafkaImage, harness.Chromium)
	c, key := realkafka.Start(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	confidential, _ := harness.StartConsumer(t, c, url, "CONSUMERGROUP=confidential")
	ordinary, _ := harness.StartConsumer(t, c, harness.NoSidecar, "CONSUMERGROUP=ordinary")
	harness.Write(t, c, 0, harness.Encrypt(t, key, "before the page was open"))
	confidential.WaitStates(map[string]int{"decrypted": 1})
	ordinary.WaitStates(map[string]int{"no_key": 1})

	chromium := chrome.Start(t)
	left, right := chrome.Open(chromium, t, confidential.Page), chrome.Open(chromium, t, ordinary.Page)
	left.Shows(confidential, "#live", "Live")
	right.Shows(ordinary, "#live", "Live")

	// A record that arrives while the pages are open appears on both, on each as it may be seen.
	second := harness.Encrypt(t, key, "while it was open")
	harness.Write(t, c, 0, second)
	left.Shows(confidential, "#rows", "while it was open")
	confidential.Wait("the new row is above the older one", func() bool { return strings.Contains(left.Text("#rows li:first-child"), "while it was open") })
	left.Shows(confidential, "#sample .seen", "while it was open")
	right.Shows(ordinary, "#rows", string(second))
	if got := right.Text("body"); strings.Contains(got, "while it was open") || !strings.Contains(got, "No key") {
		t.Errorf("the ordinary pod's page: %s", got)
	}
	if got := left.Text("#banner"); !strings.Contains(got, "Key released") {
		t.Errorf("the confidential pod's banner: %s", got)
	}

	// Pause keeps the rows, counts what waits, and shows it when resumed.
	left.Click("#pause")
	left.Shows(confidential, "#live", "Paused")
	rows := left.Text("#rows")
	harness.Write(t, c, 0, harness.Encrypt(t, key, "while it was paused"))
	left.Shows(confidential, "#pause", "1 new")
	if got := left.Text("#rows"); got != rows {
		t.Errorf("the rows changed while the page was paused: %s", got)
	}
	left.Click("#pause")
	left.Shows(confidential, "#rows li:first-child", "while it was paused")
}
