package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Without these a person in front of the page could not read in peace, find a record, hand on a link to it, work
// without a mouse or without a script, or would look at a page that has silently stopped.
func TestPageForPeople(t *testing.T) {
	t.Parallel()
	need(t, chromium)
	c, key := broker(t, 2), newKey(t)
	_, url := sidecar(t, key)
	cfg := settings(t, c.ListenAddrs(), url)
	p := consume(t, cfg)
	var values [][]byte
	for i := range 60 {
		values = append(values, []byte(fmt.Sprintf("line %02d", i)))
	}
	values = append(values, []byte(`{"needle":1,"big":12345678901234567890}`), encrypt(t, key, "the secret"))
	write(t, c, 0, values...)
	p.waitStates(map[string]int{"decrypted": 1, "plain": len(values) - 1})
	chromium := browser(t)
	page := open(chromium, t, p.page)
	p.shown(page, "#live", "Live")

	t.Run("scrolling away pauses, and the top resumes", func(t *testing.T) {
		looked[bool](page, "window.scrollTo(0, document.body.scrollHeight), true")
		p.shown(page, "#live", "Paused")
		write(t, c, 0, []byte("while somebody was reading"))
		p.shown(page, "#pause", "1 new")
		if strings.Contains(page.text("#rows"), "while somebody was reading") {
			t.Error("the rows moved under the reader")
		}
		page.press("t")
		p.shown(page, "#rows li:first-child", "while somebody was reading")
	})

	t.Run("a filter finds on the server, stands in the address, and stays live", func(t *testing.T) {
		page.does(chromedp.SetValue(chromedp.ID("q"), "needle"))
		page.click(id("filter-apply"))
		p.wait("the address holds the filter", func() bool { return strings.Contains(looked[string](page, "location.search"), "q=needle") })
		p.shown(page, "#rows", "needle")
		p.shown(page, "#live", "Live")
		write(t, c, 0, []byte("of no interest"), []byte("one more needle"))
		p.shown(page, "#rows", "one more needle")
		if got := page.text("#rows"); strings.Contains(got, "of no interest") || strings.Contains(got, "line 01") {
			t.Errorf("the filter let through: %s", got)
		}
		page.visit(p.page + "/?state=decrypted")
		if n := looked[int](page, "document.querySelectorAll('#rows > li').length"); n != 1 || !strings.Contains(page.text("#rows"), "the secret") {
			t.Errorf("%d rows of the state decrypted: %s", n, page.text("#rows"))
		}
	})

	t.Run("a record has an address, and one that has left is told so", func(t *testing.T) {
		page.visit(p.page + "/records/" + topic + "/0/60")
		p.shown(page, id("record"), "12345678901234567890")
		page.visit(p.page + "/records/" + topic + "/1/4711")
		p.shown(page, id("gone"), "4711")
	})

	t.Run("a row opens to both views, by the keyboard alone", func(t *testing.T) {
		page.visit(p.page + "/?q=the+secret")
		p.shown(page, "#rows", "the secret")
		page.press("j")
		page.press("\r")
		p.shown(page, "#rows .more", "the secret")
		for _, view := range []string{"view-value", "view-wire"} {
			if n := looked[int](page, fmt.Sprintf("document.querySelectorAll('#rows %s').length", id(view))); n != 1 {
				t.Errorf("the row has %d of %s", n, view)
			}
		}
		page.press("\x1b")
		p.wait("Escape closes it", func() bool { return looked[int](page, "document.querySelectorAll('#rows details[open]').length") == 0 })
		page.press("p")
		p.shown(page, "#live", "Paused")
		page.press("p")
		p.shown(page, "#live", "Live")
		page.press("?")
		p.wait("the keys are listed", func() bool { return looked[bool](page, "document.getElementById('keys').open") })
		page.press("\x1b")
		page.press("/")
		if at := looked[string](page, "document.activeElement.id"); at != "q" {
			t.Errorf("the key / goes to %q, not to the filter", at)
		}
	})

	t.Run("Japanese by the switch, for good, and by the browser's wish", func(t *testing.T) {
		page.visit(p.page + "/?lang=ja")
		page.visit(p.page)
		if lang := looked[string](page, "document.documentElement.lang"); lang != "ja" {
			t.Errorf("after the switch the page's language is %q", lang)
		}
		p.shown(page, "#verdict", "鍵")
		write(t, c, 0, []byte("plain to everyone"))
		p.shown(page, "#rows li:first-child", "plain to everyone")
		if got := page.text("#rows li:first-child"); strings.Contains(got, "Not encrypted") {
			t.Errorf("a row that came later is in English: %s", got)
		}
		page.visit(p.page + "/?lang=en")
	})

	t.Run("a hidden page asks for nothing", func(t *testing.T) {
		page.visit(p.page)
		p.shown(page, "#live", "Live")
		viewers := func(n string) func() bool {
			return func() bool { return strings.Contains(string(p.get(p.metrics+"/metrics")), "\ne2ee_viewers "+n+"\n") }
		}
		p.wait("the stream is counted", viewers("1"))
		looked[bool](page, "Object.defineProperty(document, 'hidden', {value: true, configurable: true}), document.dispatchEvent(new Event('visibilitychange'))")
		p.wait("the stream has ended", viewers("0"))
		looked[bool](page, "delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
		p.wait("the stream is back", viewers("1"))
	})

	t.Run("without a script the page is complete", func(t *testing.T) {
		still := open(chromium, t, "about:blank")
		if _, err := chromedp.Call(still.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			t.Fatal(err)
		}
		still.visit(p.page)
		for selector, text := range map[string]string{"#verdict": "Key released", "#rows": "the secret", "#hero .seen": "the secret"} {
			if got := still.text(selector); !strings.Contains(got, text) {
				t.Errorf("%s has no %q: %s", selector, text, got)
			}
		}
		still.does(chromedp.SetValue(chromedp.ID("q"), "needle"))
		still.click(id("filter-apply"))
		p.wait("the address holds the filter", func() bool { return strings.Contains(looked[string](still, "location.search"), "q=needle") })
		p.shown(still, "#rows", "needle")
		if got := still.text("#rows"); strings.Contains(got, "the secret") {
			t.Errorf("the form does not filter: %s", got)
		}
		still.click("#rows li:first-child summary")
		still.click("#rows li:first-child a[href^='/records/']")
		p.shown(still, id("record"), "needle")
	})

	// The last, since it ends the consumer.
	t.Run("a page finds the server again after a restart", func(t *testing.T) {
		page.visit(p.page)
		p.shown(page, "#live", "Live")
		p.stop()
		p.wait("it says so", func() bool { return looked[string](page, "document.getElementById('live').dataset.state") == "lost" })
		p = consume(t, cfg)
		p.shown(page, "#live", "Live")
		write(t, c, 0, encrypt(t, key, "after the restart"))
		p.shown(page, "#rows li:first-child", "after the restart")
	})
}

// Without this anybody who may write to the topic could run a script in the reader's browser, deceive with directions
// of text, or stop the page with size.
func TestHostileTopicInChromium(t *testing.T) {
	t.Parallel()
	need(t, chromium)
	c, key := broker(t, 1), newKey(t)
	_, url := sidecar(t, key)
	p := consume(t, settings(t, c.ListenAddrs(), url))
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
	}
	values := make([][]byte, 0, len(hostile)+1)
	for _, h := range hostile {
		values = append(values, []byte(h))
	}
	values = append(values, encrypt(t, key, `<script>window.pwned = 1</script>`))
	write(t, c, 0, values...)
	var many []sarama.RecordHeader
	for i := range 10_000 {
		many = append(many, sarama.RecordHeader{Key: []byte(fmt.Sprintf("<script>%d", i)), Value: []byte(`"><img src=x onerror="window.pwned = 1">`)})
	}
	send(t, c, []*sarama.ProducerMessage{{
		Topic: topic, Key: sarama.StringEncoder(`<img src=x onerror="window.pwned = 1">`), Value: sarama.StringEncoder("with headers"), Headers: many,
	}})
	p.waitStates(map[string]int{"decrypted": 1, "plain": len(hostile) + 1})

	chromium := browser(t)
	page := open(chromium, t, "about:blank")
	console, end := context.WithCancel(page.ctx)
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
	page.visit(p.page)
	p.shown(page, "#live", "Live")
	looked[bool](page, "document.querySelectorAll('#rows summary').forEach(s => s.click()), true")
	p.wait("every record is open", func() bool {
		return looked[bool](page, "[...document.querySelectorAll('#rows .more')].every(m => m.childElementCount > 0 && !m.hasAttribute('aria-busy'))")
	})
	shown := page.text("#rows")
	for _, text := range []string{`<script>window.pwned = 1</script>`, "12345678901234567890.10", "with headers"} {
		if !strings.Contains(shown, text) {
			t.Errorf("the page does not show %q as it is", text)
		}
	}
	if strings.ContainsAny(shown, "\u202E\u0007\u001b") {
		t.Error("control characters or overrides of direction are on the page as they are")
	}
	for offset := range len(values) + 1 {
		page.visit(fmt.Sprintf("%s/records/%s/0/%d", p.page, topic, offset))
	}
	page.visit(fmt.Sprintf("%s/records/%s/0/%d?all=1", p.page, topic, 7)) // the large one, whole
	page.visit(p.page + "/?q=%3Cscript%3E")
	p.shown(page, "#rows", "<script>")
	if looked[bool](page, "typeof window.pwned !== 'undefined'") {
		t.Error("a record ran a script")
	}
	end()
	if all := <-said; len(all) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(all, "\n"))
	}
}

// Without this many records would make the page grow until the browser stops.
func TestManyRecordsKeepThePageSmall(t *testing.T) {
	t.Parallel()
	need(t, chromium)
	c, key := broker(t, 1), newKey(t)
	_, url := sidecar(t, key)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	page := open(browser(t), t, p.page)
	p.shown(page, "#live", "Live")
	const part, parts = 1000, 10
	for i := range parts {
		values := make([][]byte, part)
		for n := range values {
			values[n] = []byte(fmt.Sprintf("line %d of part %d", n, i))
		}
		write(t, c, 0, values...)
	}
	p.shown(page, "#rows li:first-child", fmt.Sprintf("line %d of part %d", part-1, parts-1))
	if n := looked[int](page, "document.querySelectorAll('#rows > li').length"); n > 500 {
		t.Errorf("%d rows on the page", n)
	}
	if got := page.text(id("dropped")); strings.TrimSpace(got) == "" {
		t.Error("the page does not say that records have left its view")
	}
	resp, err := http.Get(p.page + "/api/records?limit=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the API answers %s", resp.Status)
	}
}
