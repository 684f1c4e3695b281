package console

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startConsole serves the console of a fake demo.
func startConsole(t *testing.T, d *fakeDemo) (*Console, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addresses.Console = listener.Addr().String()
	c, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, listener, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c, "http://" + listener.Addr().String()
}

// post sends a command as the page's script does, and returns what a failure says.
func post(t *testing.T, base, path string, form url.Values) string {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Origin", base)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return ""
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

func english(c *Console) view { return c.view(c.english()) }

// Without this nobody could say who reads a message: the columns would be of different records, or say something else
// than the producer, Kafka and the pods do.
func TestFourColumns(t *testing.T) {
	d := newFakeDemo(t)
	c, base := startConsole(t, d)
	d.seals("Msg 1: Azure Confidential Computing")
	record := d.seals("Msg 2: Azure Confidential Computing")
	eventually(t, "the newest record is in all columns", func() bool {
		s := english(c).Record
		return s.Position == Position{record.Partition, record.Offset}.String() && s.Confidential.Text != "" && s.Ordinary.Text != ""
	})
	s := english(c).Record
	if s.Plain.Text != "Msg 2: Azure Confidential Computing" || s.Confidential.Text != s.Plain.Text || s.Confidential.Severity != "good" {
		t.Errorf("the producer wrote %q, the confidential pod reads %q (%s)", s.Plain.Text, s.Confidential.Text, s.Confidential.Severity)
	}
	if s.Stored.Text != string(record.Value) || s.Ordinary.Text != s.Stored.Text || !s.Ordinary.Cipher || s.Ordinary.Severity != "wait" {
		t.Errorf("Kafka stores %.20q, the ordinary pod sees %.20q (%s)", s.Stored.Text, s.Ordinary.Text, s.Ordinary.Severity)
	}
	if s.Confidential.Sender != "Nothing proves who wrote it." || s.Confidential.SenderSeverity != "wait" {
		t.Errorf("of the sender the console says %q (%s)", s.Confidential.Sender, s.Confidential.SenderSeverity)
	}

	t.Run("a typed line is shown and stays", func(t *testing.T) {
		if failed := post(t, base, "/send", url.Values{"line": {"hello"}}); failed != "" {
			t.Fatal(failed)
		}
		eventually(t, "the line is in the columns", func() bool { return english(c).Record.Confidential.Text == "hello" })
		for range 5 {
			d.seals("of no interest")
		}
		eventually(t, "the newer records are listed", func() bool { return strings.HasSuffix(english(c).Log[0].Position, "/7") })
		if s := english(c).Record; s.Plain.Text != "hello" || s.Mode != modeTyped {
			t.Errorf("after five more records the columns show %q (%s)", s.Plain.Text, s.Mode)
		}
	})

	t.Run("an earlier record is shown when chosen", func(t *testing.T) {
		if failed := post(t, base, "/selection", url.Values{"do": {"0/0"}}); failed != "" {
			t.Fatal(failed)
		}
		if s := english(c).Record; s.Plain.Text != "Msg 1: Azure Confidential Computing" || s.Confidential.Text != s.Plain.Text {
			t.Errorf("the columns show %q and %q", s.Plain.Text, s.Confidential.Text)
		}
		if failed := post(t, base, "/selection", url.Values{"do": {"somewhere"}}); failed == "" {
			t.Error("a position that is none is accepted")
		}
		post(t, base, "/selection", url.Values{"do": {"newest"}})
	})

	t.Run("a line that is too long is refused, with the reason", func(t *testing.T) {
		if failed := post(t, base, "/send", url.Values{"line": {strings.Repeat("x", 319)}}); failed != "the line is too long" {
			t.Errorf("the answer is %q", failed)
		}
	})
}

// Without this a replay or a forgery would look like any other record, or a pod's warning would not be seen.
func TestWarningsAreSeen(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	for name, tc := range map[string]struct {
		state string
		more  map[string]any
		check func(s recordView) bool
	}{
		"a replay":             {"decrypted", map[string]any{"flags": []string{"repeat"}}, func(s recordView) bool { return s.Confidential.Severity == "bad" && len(s.Confidential.Flags) == 1 }},
		"a flag that is new":   {"decrypted", map[string]any{"flags": []string{"unheard-of"}}, func(s recordView) bool { return s.Confidential.Flags[0] == "unheard-of" }},
		"an unknown signature": {"decrypted", map[string]any{"sender": map[string]string{"state": "untrusted"}}, func(s recordView) bool { return s.Confidential.Severity == "bad" && len(s.Confidential.Flags) == 1 }},
		"a rejected record": {"rejected", map[string]any{"reject_reason": "sender", "value": nil, "encoding": nil}, func(s recordView) bool {
			return s.Confidential.Severity == "bad" && strings.Contains(s.Confidential.Text, "no trusted sender")
		}},
		"an older format": {"rejected", map[string]any{"reject_reason": "format", "value": nil, "encoding": nil}, func(s recordView) bool {
			return s.Confidential.Severity == "wait" && s.Confidential.Label == "Record rejected" && strings.Contains(s.Confidential.Text, "as older records are")
		}},
		"a text that is rejected": {"rejected", map[string]any{"reject_reason": "plain", "value": nil, "encoding": nil}, func(s recordView) bool {
			return s.Confidential.Severity == "bad" && strings.Contains(s.Confidential.Text, "not encrypted")
		}},
		"an altered record": {"undecryptable", nil, func(s recordView) bool { return s.Confidential.Severity == "bad" && s.Confidential.Cipher }},
		"a plain record": {"plain", nil, func(s recordView) bool {
			return s.Confidential.Severity == "bad" && s.Confidential.Label == "Not encrypted"
		}},
		"a state that is new": {"unheard-of", nil, func(s recordView) bool {
			return s.Confidential.Severity == "bad" && s.Confidential.Label == "unheard-of"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := d.write(0, ciphertext(int(time.Now().UnixNano()%1000)))
			d.confidential.shows(r, tc.state, "forged", tc.more)
			d.ordinary.shows(r, "no_key", "", nil)
			at := Position{r.Partition, r.Offset}.String()
			eventually(t, "the record is shown", func() bool { s := english(c).Record; return s.Position == at && s.Confidential.Label != "Not read yet" })
			s := english(c).Record
			if !tc.check(s) {
				t.Errorf("the confidential pod's column is %+v", s.Confidential)
			}
			if s.Plain.Severity != "bad" || s.Plain.Label != "Never wrote it" {
				t.Errorf("the producer's column is %+v", s.Plain)
			}
		})
	}
}

// Without this the console would say that the producer did not write a record whose bytes are the producer's own, or show
// beside a forged one a message that is not in it.
func TestProducerOwnsItsBytes(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	first, second := d.seals("first"), d.seals("second")
	shows := func(r *kgo.Record) columnView {
		d.confidential.shows(r, "decrypted", "", nil)
		d.ordinary.shows(r, "no_key", "", nil)
		at := Position{r.Partition, r.Offset}.String()
		c.selection.selectRecord(Position{r.Partition, r.Offset})
		eventually(t, "the record is shown", func() bool { s := english(c).Record; return s.Position == at && s.Found })
		return english(c).Record.Plain
	}
	replayed, moved := d.write(0, first.Value), d.write(1, second.Value)
	d.mu.Lock()
	d.sent[Position{0, 3}] = "third"
	d.mu.Unlock()
	swapped, instead := d.write(2, first.Value), d.write(0, []byte("instead of the third"))
	for name, tc := range map[string]struct {
		record      *kgo.Record
		label, text string
	}{
		"a replay":               {replayed, "Wrote it once, as 0/0", "first"},
		"a moved record":         {moved, "Wrote it once, as 0/1", "second"},
		"a copy that is swapped": {swapped, "Wrote it once, as 0/0", "first"},
		"other bytes":            {instead, "Wrote something else here", "third"},
		"a forgery":              {d.write(1, []byte("forged")), "Never wrote it", "None of its records has these bytes."},
	} {
		if got := shows(tc.record); got.Severity != "bad" || got.Label != tc.label || got.Text != tc.text {
			t.Errorf("%s: the producer's column is %+v", name, got)
		}
	}
}

// Without this a record could run a script in the presenter's browser, or look like a part of the page.
func TestHostileRecord(t *testing.T) {
	d := newFakeDemo(t)
	_, base := startConsole(t, d)
	const hostile = "<script>alert(1)</script>\u202e"
	r := &kgo.Record{Value: []byte(hostile), Key: []byte(hostile)}
	if err := d.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	d.confidential.shows(r, "plain", hostile, map[string]any{"sender": map[string]string{"state": "verified", "name": hostile}, "flags": []string{hostile}, "reject_reason": hostile})
	d.ordinary.shows(r, hostile, hostile, nil)
	page := ""
	eventually(t, "the record is on the page", func() bool { page = get(t, base+"/"); return strings.Count(page, "alert(1)") >= 4 })
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "\u202e") {
		t.Error("the page holds the record's script, or text that is reordered")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Without this the console would stand still, or many windows of it would take the demo's time.
func TestStream(t *testing.T) {
	d := newFakeDemo(t)
	_, base := startConsole(t, d)
	open := func() (io.Reader, int) {
		answer, err := http.Get(base + "/events?lang=ja")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		return answer.Body, answer.StatusCode
	}
	first, _ := open()
	lines := bufio.NewScanner(first)
	lines.Buffer(nil, 1<<20)
	d.seals("Msg 1: Azure Confidential Computing")
	parts := make(map[string]string)
	for !strings.Contains(parts["columns"], "Msg 1: Azure") && lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		if err := json.Unmarshal([]byte(data), &parts); err != nil {
			t.Fatalf("%v: %.100s", err, data)
		}
	}
	if !strings.Contains(parts["columns"], "機密ポッド") || !strings.HasPrefix(parts["columns"], `<section id="columns"`) {
		t.Errorf("the columns are %.200s", parts["columns"])
	}
	for range maxStreams - 1 {
		if _, status := open(); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	if _, status := open(); status != http.StatusTooManyRequests {
		t.Errorf("one window too many: status %d", status)
	}
}
