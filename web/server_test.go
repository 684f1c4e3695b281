package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// site is a server over a feed, with a key status that a test can change.
type site struct {
	*Server
	http  *httptest.Server
	key   KeyStatus
	kafka KafkaStatus
}

// recordsJSON is what /api/records answers.
type recordsJSON struct {
	Feed    string       `json:"feed"`
	Records []recordJSON `json:"records"`
	Next    uint64       `json:"next"`
}

func newSite(t *testing.T, size int) *site {
	t.Helper()
	s := &site{kafka: KafkaStatus{State: KafkaReading, Topic: "t"}, key: KeyStatus{State: KeyUnreachable, URL: "http://localhost:8080", Attempts: 3, Hint: "Check the container skr.", Keys: []KeyInfo{{Name: "demo", State: KeyUnreachable}}}}
	var err error
	s.Server, err = New(Options{
		Feed: NewFeed(size), Key: func() KeyStatus { return s.key },
		Kafka:      func() KafkaStatus { return s.kafka },
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s.Handler())
	t.Cleanup(s.http.Close)
	return s
}

// run sends to viewers until the test ends.
func (s *site) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (s *site) get(t *testing.T, path string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// doc is a page, as a browser without a script reads it.
func (s *site) doc(t *testing.T, path string) *goquery.Document {
	t.Helper()
	_, page, _ := s.get(t, path)
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// testid selects by data-testid.
func testid(id string) string { return `[data-testid="` + id + `"]` }

func rec(offset int64, state State, value string) *Record {
	r := &Record{Topic: "t", Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + offset), Wire: []byte("wire of " + value), State: state}
	if state == StateDecrypted {
		r.Value, r.KeyID = []byte(value), "the-key"
		r.Sender = Sender{State: SenderUnverified, Reason: SenderUnsigned}
	}
	return r
}

// heal is what happens when the key arrives.
func heal(f *Feed, message string) {
	before := f.Held()
	after := make([]*Record, len(before))
	for i, r := range before {
		if r.State == StateNoKey {
			after[i] = rec(r.Offset, StateDecrypted, message)
		}
	}
	f.Replace(before, after)
}

// Without this a record could run code in a viewer's browser, or another site could read the page.
func TestHeadersKeepThePageSafe(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, StateDecrypted, `<script>alert(1)</script><img src=x onerror=alert(1)>`))
	_, page, header := s.get(t, "/")
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") {
		t.Error("a record's markup is markup of the page")
	}
	if strings.Contains(page, "style=\"") || strings.Contains(page, "onclick") {
		t.Error("the page has inline style or script, which its policy forbids")
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, path := range []string{"/api/events", "/api/records", "/api/key"} {
		if status, _, _ := s.get(t, path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"); status != http.StatusForbidden {
			t.Errorf("%s answers %d to another site", path, status)
		}
	}
	server := s.HTTPServer()
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Error("a phase of a request has no limit")
	}
}

// Without this a viewer would not be told why there is no plaintext, or what to do.
func TestFirstScreenStandsInOrder(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, StateNoKey, "one"), rec(2, StatePlain, "two"))
	_, page, _ := s.get(t, "/")
	at := 0
	for _, text := range []string{
		"Welcome to Confidential Containers on AKS!", "No key: nothing answers at http://localhost:8080", "Check the container skr.",
		"Encrypted Kafka Message", "wire of two", "What this pod sees", "0 decrypted · 1 unreadable · 1 not encrypted",
		"Not encrypted", "t / 0 / 2", "Encrypted, no key here", "t / 0 / 1",
	} {
		next := strings.Index(page[at:], text)
		if next < 0 {
			t.Fatalf("the page lacks %q after %q", text, page[max(0, at-40):at])
		}
		at += next
	}
	heal(s.feed, "the message")
	if _, page, _ = s.get(t, "/"); strings.Count(page, "the message") < 2 || !strings.Contains(page, "1 decrypted · 0 unreadable · 1 not encrypted") {
		t.Error("after the key arrived, the decrypted record is not both the example and a row")
	}
}

// Without this programs that read the API would break, or miss records.
func TestAPIRecords(t *testing.T) {
	s := newSite(t, 100)
	for i := range 30 {
		s.feed.Append(rec(int64(i), StateNoKey, fmt.Sprint(i)))
	}
	answer := func(query string) (a recordsJSON) {
		t.Helper()
		status, body, _ := s.get(t, "/api/records"+query)
		if status != http.StatusOK || json.Unmarshal([]byte(body), &a) != nil {
			t.Fatalf("%s: %d %s", query, status, body)
		}
		return a
	}
	if a := answer("?limit=5"); len(a.Records) != 5 || a.Records[0].Offset != 29 || a.Next != 30 {
		t.Errorf("the newest five: %+v", a)
	}
	// A poller that passes on next sees every record once, and then those that heal.
	seen, next := 0, uint64(0)
	for {
		a := answer(fmt.Sprintf("?limit=7&after=%d", next))
		if len(a.Records) == 0 {
			break
		}
		seen, next = seen+len(a.Records), a.Next
	}
	if seen != 30 {
		t.Errorf("a poller saw %d of 30 records", seen)
	}
	heal(s.feed, "healed")
	a := answer(fmt.Sprintf("?limit=1000&after=%d", next))
	if len(a.Records) != 30 || a.Records[0].State != StateDecrypted || a.Records[0].Offset != 29 || a.Records[0].Sender.State != "unverified" {
		t.Errorf("after the key arrived a poller sees %d records, first %+v", len(a.Records), a.Records[0])
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?after=x"} {
		if status, _, _ := s.get(t, "/api/records"+query); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, status)
		}
	}
	var fields map[string]any
	_, body, _ := s.get(t, "/api/key")
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "keys", "since", "attempts", "reason", "next_attempt", "checks"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("/api/key lacks %s", name)
		}
	}
}

// events reads flushes of a stream into a channel, until the stream ends.
func (s *site) events(t *testing.T, lastID string) <-chan event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+"/api/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", lastID)
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // closed by the goroutine that reads it
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan event, 1000)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		var e event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			name, text, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = text
			case "data":
				if err := json.Unmarshal([]byte(text), &e.flush); t.Context().Err() != nil {
					return // the stream was cut within a line
				} else if err != nil {
					t.Errorf("an event is not JSON: %v", err)
				}
				out <- e
				e = event{}
			}
		}
	}()
	return out
}

type event struct {
	id string
	flush
}

// Without this a page whose connection broke would miss records, or show them twice.
func TestStreamGoesOnWhereItWas(t *testing.T) {
	s := newSite(t, 1000)
	s.run(t)
	s.feed.Append(rec(1, StatePlain, "one"))
	first := s.events(t, "")
	e := <-first
	if !e.Reset || !strings.Contains(e.Rows, "wire of one") {
		t.Fatalf("a page without a place gets %+v", e)
	}
	for i := range 20 {
		s.feed.Append(rec(int64(10+i), StatePlain, fmt.Sprint("later ", i)))
	}
	again := <-s.events(t, e.id)
	if again.Reset || again.Count != 20 || strings.Contains(again.Rows, "wire of one") {
		t.Errorf("a page that comes back gets reset=%v and %d rows, want the 20 that it missed", again.Reset, again.Count)
	}
	if other := <-s.events(t, "OTHERFEED-1"); !other.Reset || other.Count != 21 {
		t.Errorf("a page of a server that was restarted gets reset=%v and %d rows", other.Reset, other.Count)
	}
	for n := 0; n < 20; {
		e, open := <-first
		if !open {
			t.Fatal("the first viewer was cut off")
		}
		n += e.Count
	}
}

// Without this one viewer on a bad line would slow down or hide records from all others.
func TestSlowViewerIsCutOff(t *testing.T) {
	s := newSite(t, 1000)
	_, slow := s.join(t.Context(), s.english(), filter{}, 0, false)
	_, quick := s.join(t.Context(), s.english(), filter{}, 0, false)
	rows := 0
	drain := func() {
		for len(quick) > 0 {
			if frame := <-quick; strings.Contains(string(frame), "wire of") {
				rows++
			}
		}
	}
	for i := range backlog + 5 {
		s.feed.Append(rec(int64(i), StatePlain, fmt.Sprint(i)))
		s.flush(t.Context())
		drain()
	}
	if got := testutil.ToFloat64(s.hub.cut); got != 1 || s.hub.count() != 1 {
		t.Errorf("cut off: got %v, still there: %d", got, s.hub.count())
	}
	if rows != backlog+5 {
		t.Errorf("the other viewer got %d of %d flushes", rows, backlog+5)
	}
	for range backlog {
		<-slow
	}
	if _, open := <-slow; open {
		t.Error("the slow viewer's stream goes on")
	}
}

// Without this a burst would keep the browser busy with rows that nobody can read, or leave rows that it shows as they
// were when the key came.
func TestFlushHoldsWhatAPageCanTake(t *testing.T) {
	s := newSite(t, 5000)
	_, viewer := s.join(t.Context(), s.english(), filter{}, 0, false)
	<-viewer
	next := func() (f flush) {
		t.Helper()
		s.flush(t.Context())
		_, data, _ := strings.Cut(string(<-viewer), "data: ")
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for i := range 2000 {
		s.feed.Append(rec(int64(i), StateNoKey, fmt.Sprint(i)))
	}
	if f := next(); f.Count != newRows || f.Fresh != 2000 || f.Passed != 2000-newRows || !strings.Contains(f.Rows, "wire of 1999") {
		t.Errorf("a flush of 2000 new records has %d rows and says that %d are new and %d passed", f.Count, f.Fresh, f.Passed)
	}
	heal(s.feed, "healed")
	if f := next(); f.Count != maxRows || f.Fresh != 0 || f.Passed != 2000-maxRows {
		t.Errorf("a flush of 2000 changes has %d rows and says that %d are new and %d passed", f.Count, f.Fresh, f.Passed)
	}
}

// Without this the process could not end while somebody looks at the page.
func TestStreamsEndWithTheServer(t *testing.T) {
	s := newSite(t, 10)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	streams := make([]<-chan event, 10)
	for i := range streams {
		streams[i] = s.events(t, "")
		<-streams[i]
	}
	stop()
	<-done
	for _, stream := range streams {
		for e := range stream {
			t.Errorf("an event after the end: %+v", e)
		}
	}
}

// Without this a viewer would take a forged, copied or withheld record for a good one.
func TestSendersAndFlagsAreToldInWords(t *testing.T) {
	s := newSite(t, 10)
	plain := rec(1, StateDecrypted, "one")
	plain.Format = "rsa"
	s.feed.Append(plain)
	if s.doc(t, "/").Find("#records.opened:not(.senders)").Length() != 1 {
		t.Error("the sender column is shown, though no format here can tell the sender")
	}
	for i, test := range []struct {
		sender Sender
		flags  Flags
		names  []string
		words  []string
	}{
		{Sender{State: SenderVerified, Name: "lab <b>producer"}, Flags{}, nil, []string{"From lab <b>producer"}},
		{Sender{State: SenderUnverified, Reason: SenderUnsigned}, Flags{}, nil, []string{"Unsigned: anyone with the public key"}},
		{Sender{State: SenderUnverified, Reason: SenderNobodyTrusted, KeyID: "k"}, Flags{}, nil, []string{"Set TRUSTED_SENDERS_FILE."}},
		{Sender{State: SenderUntrusted, Reason: SenderUnknown, KeyID: "signer-id"}, Flags{}, nil, []string{"Signed by an unknown key signer-id."}},
		{Sender{State: SenderUntrusted, Reason: SenderBadSignature}, Flags{}, nil, []string{"The signature is wrong. Treat as forged."}},
		{Sender{}, Flags{}, nil, []string{"Sender not checked"}},
		{Sender{}, Flags{Repeat: true, First: 41}, []string{"repeat"}, []string{"Seen before at offset 41: a retry"}},
		{Sender{}, Flags{Repeat: true, First: -1}, []string{"repeat"}, []string{"Seen before: a retry"}},
		{Sender{}, Flags{Missing: 3, Late: true}, []string{"gap", "late"}, []string{"3 missing before this one", "Out of order"}},
		{Sender{}, Flags{Moved: true, SealedFor: 5, Unbound: true}, []string{"moved", "unbound"}, []string{"Sealed for partition 5, found in 0.", "Not bound to a topic"}},
	} {
		r := rec(int64(100+i), StateDecrypted, "x")
		r.Format, r.Sender, r.Flags, r.DataKey, r.Counter = "envelope", test.sender, test.flags, "data-key-name", 77
		s.feed.Append(r)
		opened := s.doc(t, fmt.Sprintf("/records/t/0/%d", r.Offset)).Find(testid("record"))
		text := opened.Text()
		for _, want := range append(test.words, "data-key-name", "77") {
			if !strings.Contains(text, want) {
				t.Errorf("%+v %+v: the record lacks %q: %s", test.sender, test.flags, want, text)
			}
		}
		row := s.doc(t, "/").Find(fmt.Sprintf("#records.senders #r-t-0-%d", r.Offset))
		var flags []string
		row.Find(testid("row-flag")).Each(func(_ int, flag *goquery.Selection) { flags = append(flags, flag.AttrOr("data-flag", "")) })
		if strings.Join(flags, " ") != strings.Join(test.names, " ") || strings.TrimSpace(row.Find(testid("row-sender")).Text()) == "" || strings.Contains(text+row.Text(), "{") {
			t.Errorf("%+v %+v: the row says %s", test.sender, test.flags, row.Text())
		}
		var answer recordsJSON
		_, body, _ := s.get(t, "/api/records?limit=1")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		got := answer.Records[0]
		if strings.Join(got.Flags, " ") != strings.Join(test.names, " ") || got.Sender.State != test.sender.state() || got.Sender.Name != test.sender.Name || got.Sender.KeyID != test.sender.KeyID || got.Sender.Reason == "" {
			t.Errorf("%+v %+v: the API says %+v, %v", test.sender, test.flags, got.Sender, got.Flags)
		}
	}
}
