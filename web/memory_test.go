package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/safetext"
)

// serve serves the site as the consumer does.
func (s *site) serve(t *testing.T) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, served := s.HTTPServer(), make(chan error, 1)
	go func() { served <- server.Serve(s.Listener(listener)) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return listener.Addr().String()
}

// heap returns the memory in use after garbage collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// stalled requests a path and reads only the status of the answer.
func stalled(t *testing.T, address, path string) (status string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Error(err)
		return ""
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { //nolint:errcheck,forcetypeassert // it is TCP
		t.Error(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		t.Error(err)
		return ""
	}
	status, err = bufio.NewReaderSize(conn, 64).ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(status, "HTTP/1.1 "))
}

// large is a record whose rendering is many times its size.
func large(offset int64, value string) *feed.Record {
	r := rec(offset, feed.StateDecrypted, value)
	r.Stored = []byte("short")
	return r
}

// nested returns the JSON that grows most by indenting: each "1," becomes a line with 62 spaces.
func nested() string {
	return strings.Repeat("[", 31) + strings.Repeat("1,", 480_000) + "1" + strings.Repeat("]", 31)
}

// Without this one small record would take 160 MB each time it is opened.
func TestOpeningARecordTakesLittleMemory(t *testing.T) {
	for name, value := range map[string]string{
		"nested JSON": nested(), "control characters": strings.Repeat("\x01", 960_000), "bytes": strings.Repeat("\xff", 960_000),
		"quotes": strings.Repeat(`"`, 960_000),
	} {
		s := newSite(t, 10)
		s.feed.Append(large(1, value))
		for path, most := range map[string]uint64{"/records/t/0/1": 4 << 20, "/records/t/0/1?part=1": 4 << 20} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.Handler().ServeHTTP(discarding{}, newRequest(t, path))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%s: %s takes %d KiB", name, path, took>>10)
			}
		}
		// All of it is rendered while it is sent, which takes little memory at any moment.
		f := safetext.Pretty([]byte(value), 1<<20)
		high := &highWater{base: heap()}
		if err := f.Preformatted().Render(t.Context(), high); err != nil {
			t.Fatal(err)
		}
		if high.most > 2<<20 {
			t.Errorf("%s: all of it takes %d KiB while it is sent", name, high.most>>10)
		}
	}
}

// highWater records how far the heap is above base at most, while something writes to it.
type highWater struct {
	base, most int64
	writes     int
}

// Write implements [io.Writer].
func (h *highWater) Write(b []byte) (int, error) {
	if h.writes++; h.writes%500 == 1 {
		h.most = max(h.most, heap()-h.base)
	}
	return len(b), nil
}

func newRequest(t *testing.T, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// discarding is an answer that is not kept.
type discarding struct{}

func (discarding) Header() http.Header         { return http.Header{} }
func (discarding) Write(b []byte) (int, error) { return len(b), nil }
func (discarding) WriteHeader(int)             {}

// Without this viewers who do not read their answers could use up the pod's memory.
func TestStalledAnswersAreBounded(t *testing.T) {
	for name, test := range map[string]struct {
		path  string
		value func(i int) string
	}{
		"all of a large record": {"/records/t/0/31?all=1", func(int) string { return nested() }},
		"its bytes":             {"/api/records/t/0/31/value", func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 960_000) }},
		"a stream of records":   {"/api/stream", func(i int) string { return strings.Repeat("\x01", 960_000-i) }},
		"an export":             {"/api/export?format=csv", func(i int) string { return strings.Repeat("\x01\"", 480_000-i) }},
		"the API":               {"/api/records?limit=1000", func(i int) string { return strings.Repeat("\x01", 960_000-i) }},
		"the page":              {"/?q=wire", func(i int) string { return "wire" + strings.Repeat("\x01", 960_000-i) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1000)
			s.exports, s.streams = true, limit.NewBudget(programBytes, time.Millisecond)
			address := s.serve(t)
			for i := range 32 {
				s.feed.Append(large(int64(i), test.value(i)))
			}
			before := heap()
			var answers sync.WaitGroup
			var mu sync.Mutex
			statuses := make(map[string]int)
			for range 120 {
				answers.Go(func() {
					status := stalled(t, address, test.path)
					mu.Lock()
					defer mu.Unlock()
					statuses[status]++
				})
			}
			answers.Wait()
			// Newer records replace these in the feed. The answers must not keep all of them in memory.
			for i := range 64 {
				s.feed.Append(large(int64(100+i), test.value(i)))
			}
			if grew, most := heap()-before, int64(answerBytes+feed.MaxBytes/2+16<<20); grew > most {
				t.Errorf("the heap grew by %d MiB, want at most %d: %v", grew>>20, most>>20, statuses)
			}
			for status := range statuses {
				if status != "200 OK" && status != "503 Service Unavailable" {
					t.Errorf("an answer is %s", status)
				}
			}
			for test.path == "/api/stream" && s.dropped(t) == 0 { // those without memory, or the test's own limit ends this
				time.Sleep(10 * time.Millisecond)
			}
			if statuses["200 OK"] == 0 {
				t.Errorf("no viewer gets an answer: %v", statuses)
			}
		})
	}
}

// Without this a viewer would not be told to try again, or memory would be lost with each answer.
func TestBudget(t *testing.T) {
	s := newSite(t, 10)
	s.answers = limit.NewBudget(answerBytes, time.Millisecond)
	s.feed.Append(rec(1, feed.StatePlain, "one"))
	for _, path := range []string{"/", "/api/records", "/records/t/0/1", "/records/t/0/1?all=1", "/api/records/t/0/1/wire", "/api/records/t/0/1", "/?q=x", "/api/records?q=x"} {
		all, ok := s.answers.TryReserve(answerBytes)
		if !ok {
			t.Fatalf("memory is lost before %s", path)
		}
		status, body, header := s.get(t, path)
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || strings.HasPrefix(path, "/api/") != strings.HasPrefix(body, `{"type":"urn:kafka-e2ee:problem:`) {
			t.Errorf("%s without memory: got %d, Retry-After %q, %s", path, status, header.Get("Retry-After"), body)
		}
		all.Release()
		if status, _, _ := s.get(t, path); status != http.StatusOK {
			t.Errorf("%s with memory: got %d", path, status)
		}
	}
	if got := s.refused(t, access.TooBusy); got != 8 {
		t.Errorf("the metric counts %v refusals", got)
	}
}
