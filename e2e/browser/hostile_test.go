package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
)

// Without this anybody with write access could run a script in a viewer's browser, deceive with the direction of text,
// or freeze the page with a large record.
func TestHostileTopicInChromium(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	hostile := []string{
		`<script>window.pwned = 1</script>`,
		`"><img src=x onerror="window.pwned = 1">`,
		`' onmouseover='window.pwned = 1`,
		`</li></ol></template><svg onload=window.pwned=1>`,
		`javascript:window.pwned=1`,
		"pay \u202Etxt.exe\u202C now \u0000\u0007\u001b[31m",
		`{"a": "</script><script>window.pwned = 1</script>", "n": 12345678901234567890.10}`,
		strings.Repeat("\U0001F4A5<b>", 1<<17),
		"\xff\xfe\x00" + strings.Repeat("\x80", 5000),
		"alice\u3164 and\u00a0bob",
	}
	values := make([][]byte, 0, len(hostile)+1)
	for _, h := range hostile {
		values = append(values, []byte(h))
	}
	values = append(values, harness.Encrypt(t, key, `<script>window.pwned = 1</script>`))
	harness.Write(t, c, 0, values...)
	var many []sarama.RecordHeader
	for i := range 10_000 {
		many = append(many, sarama.RecordHeader{Key: []byte(fmt.Sprintf("<script>%d", i)), Value: []byte(`"><img src=x onerror="window.pwned = 1">`)})
	}
	harness.Send(t, c, []*sarama.ProducerMessage{{
		Topic: harness.Topic, Key: sarama.StringEncoder(`<img src=x onerror="window.pwned = 1">`), Value: sarama.StringEncoder("with headers"), Headers: many,
	}})
	p.WaitStates(map[string]int{"decrypted": 1, "plain": len(hostile) + 1})

	chromium := chrome.Start(t)
	page := chrome.Open(chromium, t, "about:blank")
	console, end := context.WithCancel(page.Ctx)
	said := make(chan []string)
	messages := chromedp.Console(console)
	go func() {
		var all []string
		for m, err := range messages {
			if err != nil {
				break
			}
			if m.Type != chromedp.ConsoleLog && m.Type != chromedp.ConsoleInfo && m.Type != chromedp.ConsoleDebug {
				all = append(all, m.String())
			}
		}
		said <- all
	}()
	page.Visit(p.Page)
	page.Shows(p, "#live", "Live")
	chrome.Eval[bool](page, "document.querySelectorAll('#rows summary').forEach(s => s.click()), true")
	p.Wait("every record is open", func() bool {
		return chrome.Eval[bool](page, "[...document.querySelectorAll('#rows .more')].every(m => m.childElementCount > 0 && !m.hasAttribute('aria-busy'))")
	})
	shown := page.Text("#rows")
	for _, text := range []string{`<script>window.pwned = 1</script>`, "12345678901234567890.10", "with headers", "alice⟨U+3164⟩ and⟨U+00A0⟩bob"} {
		if !strings.Contains(shown, text) {
			t.Errorf("the page does not show %q as it is", text)
		}
	}
	if strings.ContainsAny(shown, "\u202E\u0007\u001b\u3164\u00a0") {
		t.Error("control characters, overrides of direction or characters that nobody sees are on the page as they are")
	}
	for offset := range len(values) + 1 {
		page.Visit(fmt.Sprintf("%s/records/%s/0/%d", p.Page, harness.Topic, offset))
	}
	page.Visit(fmt.Sprintf("%s/records/%s/0/%d?all=1", p.Page, harness.Topic, 7)) // the large one, complete
	page.Visit(p.Page + "/?q=%3Cscript%3E")
	page.Shows(p, "#rows", "<script>")
	if chrome.Eval[bool](page, "typeof window.pwned !== 'undefined'") {
		t.Error("a record ran a script")
	}
	end()
	all := slices.DeleteFunc(<-said, func(complaint string) bool { return strings.Contains(complaint, chrome.NetworkChanged) })
	if len(all) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(all, "\n"))
	}
}

// Without this many records would make the page grow until the browser stops.
func TestManyRecordsKeepThePageSmall(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	page := chrome.Open(chrome.Start(t), t, p.Page)
	page.Shows(p, "#live", "Live")
	const part, parts = 1000, 10
	for i := range parts {
		values := make([][]byte, part)
		for n := range values {
			values[n] = []byte(fmt.Sprintf("line %d of part %d", n, i))
		}
		harness.Write(t, c, 0, values...)
	}
	page.Shows(p, "#rows li:first-child", fmt.Sprintf("line %d of part %d", part-1, parts-1))
	if n := chrome.Eval[int](page, "document.querySelectorAll('#rows > li').length"); n > 500 {
		t.Errorf("%d rows on the page", n)
	}
	p.Wait("the page says that records have left its view", func() bool { return strings.TrimSpace(page.Text(chrome.TestID("dropped"))) != "" })
	resp, err := http.Get(p.Page + "/api/records?limit=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the API answers %s", resp.Status)
	}
}
