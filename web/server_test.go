package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// site is a server with statuses that a test can change.
type site struct {
	*Server
	http  *httptest.Server
	key   podstatus.Key
	kafka podstatus.Kafka

	metrics *prometheus.Registry
}

func newSite(t testing.TB, size int) *site {
	t.Helper()
	s := &site{metrics: prometheus.NewRegistry(), kafka: podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t"}, key: podstatus.Key{State: podstatus.KeyUnreachable, URL: "http://localhost:8080", Attempts: 3, Reason: "no_answer", Keys: []podstatus.KeyInfo{{Name: "demo", State: podstatus.KeyUnreachable}}}}
	var err error
	s.Server, err = New(Options{
		Feed: feed.New(size), Key: func() podstatus.Key { return s.key },
		Kafka:      func() podstatus.Kafka { return s.kafka },
		Registerer: s.metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s.Handler())
	t.Cleanup(s.http.Close)
	return s
}

// refused returns how many requests were refused for a reason, from the metrics.
func (s *site) refused(t *testing.T, reason access.Reason) (n float64) {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "e2ee_web_refused_requests_total" && metric.GetLabel()[0].GetValue() == string(reason) {
				n += metric.GetCounter().GetValue()
			}
		}
	}
	return n
}

// run runs the server until the test ends.
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

// doc requests a page, as a browser without JavaScript reads it.
func (s *site) doc(t *testing.T, path string) *goquery.Document {
	t.Helper()
	_, page, _ := s.get(t, path)
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// testid returns a selector of a data-testid.
func testid(id string) string { return `[data-testid="` + id + `"]` }

func rec(offset int64, state feed.State, value string) *feed.Record {
	r := &feed.Record{Topic: "t", Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + offset), Stored: []byte("wire of " + value), State: state}
	if state == feed.StateDecrypted {
		r.Value, r.KeyID = []byte(value), "the-key"
		r.Sender = feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderUnsigned}
	}
	return r
}

// decryptAll replaces the records that lack a key, as when the key arrives.
func decryptAll(f *feed.Feed, message string) {
	before := f.Records()
	after := make([]*feed.Record, len(before))
	for i, r := range before {
		if r.State == feed.StateNoKey {
			after[i] = rec(r.Offset, feed.StateDecrypted, message)
		}
	}
	f.Replace(before, after)
}

// Without this a record could run code in a viewer's browser, or another site could read the page.
func TestHeadersKeepThePageSafe(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StateDecrypted, `<script>alert(1)</script><img src=x onerror=alert(1)>`))
	_, page, header := s.get(t, "/")
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") {
		t.Error("a record's markup becomes part of the page")
	}
	if strings.Contains(page, "style=\"") || strings.Contains(page, "onclick") {
		t.Error("the page has inline style or script, which its content security policy forbids")
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

// Without this a viewer would not learn why there is no plaintext, or what to do.
func TestFirstScreenStandsInOrder(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StateNoKey, "one"), rec(2, feed.StatePlain, "two"))
	_, page, _ := s.get(t, "/")
	at := 0
	for _, text := range []string{
		"Welcome to Confidential Containers on AKS!", "No key: no sidecar answers", "would listen at http://localhost:8080 (SKR_URL); nothing does.", "In a confidential pod, check the container skr.",
		"Encrypted Kafka Message", "wire of two", "What this pod sees", "1 not encrypted", "0 decrypted · 1 without a key · 0 could not be decrypted · 1 not encrypted",
		"Not encrypted", "0 / 2", "Encrypted, no key here", "0 / 1",
	} {
		next := strings.Index(page[at:], text)
		if next < 0 {
			t.Fatalf("the page lacks %q after %q", text, page[max(0, at-40):at])
		}
		at += next
	}
	decryptAll(s.feed, "the message")
	if _, page, _ = s.get(t, "/"); strings.Count(page, "the message") < 2 || !strings.Contains(page, "1 decrypted · 0 without a key · 0 could not be decrypted · 1 not encrypted") {
		t.Error("after the key arrived, the decrypted record is not both the sample and a row")
	}
}
