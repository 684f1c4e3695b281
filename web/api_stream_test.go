package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/openapi/openapitest"
)

// streamed is an event of /api/stream.
type streamed struct{ name, id, data string }

// record returns the record of an event.
func (e streamed) record(t *testing.T) (r recordJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &r); err != nil || e.name != "record" {
		t.Fatalf("want a record, got %+v, %v", e, err)
	}
	return r
}

// stream opens /api/stream. The function it returns receives the next event; it fails the test if the stream has ended.
func (s *site) openStream(t *testing.T, query, lastID string) (next func() streamed, leave func()) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http.URL+"/api/stream"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", lastID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewReader(resp.Body)
	return func() (e streamed) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream has ended: %v", err)
			}
			switch name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
			case "event":
				e.name = text
			case "id":
				e.id = text
			case "data":
				e.data = text
			case "":
				if e.name != "alive" { // a slow machine gets some
					return e
				}
			}
		}
	}, leave
}

// Without this a program could miss a record, or its decryption, or get records twice after it connects again.
func TestStreamOfRecordsResumes(t *testing.T) {
	s := newSite(t, 10_000)
	s.run(t)
	for i := range 2*maxBatch + 10 {
		s.feed.Append(rec(int64(i), feed.StatePlain, "line\nline\r\u2028é"))
	}
	next, leave := s.openStream(t, "", "")
	if e := next(); e.name != "feed" || e.id != s.cursor(0) || e.data != fmt.Sprintf(`{"feed":%q,"resumed":false}`, s.feed.ID()) {
		t.Fatalf("first comes %+v", e)
	}
	last := ""
	for i := range maxBatch + 7 {
		e := next()
		if r := e.record(t); r.Offset != int64(i) || *r.Value != "wire of line\nline\r\u2028é" || e.id != s.cursor(r.Rev) {
			t.Fatalf("event %d is %+v", i, r)
		}
		last = e.id
	}
	leave()
	next, _ = s.openStream(t, "", last)
	if e := next(); e.id != last || !strings.Contains(e.data, `"resumed":true`) {
		t.Fatalf("resumed with %+v", e)
	}
	for i := maxBatch + 7; i < 2*maxBatch+10; i++ {
		if r := next().record(t); r.Offset != int64(i) {
			t.Fatalf("after it resumed, got offset %d, want %d", r.Offset, i)
		}
	}
	// It goes on with new records and with those that change.
	s.feed.Append(rec(5000, feed.StateNoKey, "late"))
	if r := next().record(t); r.Offset != 5000 || r.State != feed.StateNoKey {
		t.Errorf("a new record is %+v", r)
	}
	decryptAll(s.feed, "opened")
	if r := next().record(t); r.Offset != 5000 || r.State != feed.StateDecrypted || *r.Value != "opened" {
		t.Errorf("a changed record is %+v", r)
	}
	// The cursor of another feed, as after a restart, and one that is none, start from the beginning.
	for _, id := range []string{"OTHER-7", "garbage", s.feed.ID() + "-99999"} {
		next, leave := s.openStream(t, "", id)
		if e, first := next(), next(); !strings.Contains(e.data, `"resumed":false`) || first.record(t).Offset != 0 {
			t.Errorf("%q: got %+v, %+v", id, e, first)
		}
		leave()
	}
}

// Without this a program would get records that it did not ask for, or search the same ones at every connection.
func TestStreamOfRecordsIsFiltered(t *testing.T) {
	s := newSite(t, 100)
	s.run(t)
	for i := range 10 {
		s.feed.Append(rec(int64(2*i), feed.StatePlain, "plain"), rec(int64(2*i+1), feed.StateDecrypted, fmt.Sprint("opened ", i)))
	}
	next, _ := s.openStream(t, "?state=decrypted&q=OPENED+3", "")
	next()
	e := next()
	if r := e.record(t); r.Offset != 7 {
		t.Errorf("got %+v", r)
	}
	openapitest.New(t).CheckValue("Record", []byte(e.data))
	for _, query := range []string{"?state=typo", "?after=1", "?limit=5", "?q=%ff", "?q=a&q=b"} {
		status, body, header := s.get(t, "/api/stream"+query)
		if status != http.StatusBadRequest || problemCode(t, status, body, header) != "bad_query" {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
}

// Without this a program that was away for long would take what is left for everything, from the stream or by asking
// again and again.
func TestMissedRecordsAreReported(t *testing.T) {
	s := newSite(t, 10)
	s.run(t)
	s.feed.Append(rec(0, feed.StatePlain, "seen"))
	seen := s.feed.Rev()
	missed := func(after uint64) bool {
		t.Helper()
		var answer struct{ Missed *bool }
		if _, body, _ := s.get(t, fmt.Sprint("/api/records?after=", after)); json.Unmarshal([]byte(body), &answer) != nil || answer.Missed == nil {
			t.Fatal(body)
		}
		return *answer.Missed
	}
	for i := range 10 {
		s.feed.Append(rec(int64(1+i), feed.StatePlain, "held"))
	}
	if missed(seen) {
		t.Error("a record that was seen before it left counts as missed")
	}
	s.feed.Append(rec(11, feed.StatePlain, "pushes out what was not seen"))
	if !missed(seen) || missed(seen+1) {
		t.Errorf("a record that left unseen: %v; a client that has it: %v", missed(seen), missed(seen+1))
	}
	next, _ := s.openStream(t, "", s.cursor(seen))
	next()
	if e := next(); e.name != "missed" || e.data != fmt.Sprintf(`{"after":%d}`, seen) {
		t.Errorf("the stream says %+v", e)
	}
	if r := next().record(t); r.Offset != 2 {
		t.Errorf("the stream goes on with %+v", r)
	}
	next, _ = s.openStream(t, "", s.cursor(seen+1))
	next()
	if r := next().record(t); r.Offset != 2 {
		t.Errorf("a client that missed nothing gets %+v", r)
	}
}

// Without this programs could take more streams than there may be, or keep them after the server ends.
func TestStreamsOfRecordsAreLimited(t *testing.T) {
	s := newSite(t, 10)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	var bodies []io.Closer
	defer func() {
		for _, b := range bodies {
			_ = b.Close()
		}
	}()
	for range 256 {
		resp := s.send(t, http.MethodGet, "/api/stream") //nolint:bodyclose // send closes it
		bodies = append(bodies, resp.Body)
	}
	for _, path := range []string{"/api/stream", "/api/events"} {
		status, body, header := s.get(t, path)
		if status != http.StatusTooManyRequests || problemCode(t, status, body, header) != "too_many_streams" || header.Get("Retry-After") == "" {
			t.Errorf("%s after 256 streams: got %d %s", path, status, body)
		}
	}
	stop()
	<-done
	for _, b := range bodies {
		if reader, ok := b.(io.Reader); ok {
			if _, err := io.Copy(io.Discard, reader); err != nil {
				t.Errorf("a stream ends with %v", err)
			}
		}
	}
}

// Without this one program that does not read could hold memory that others need, or a stream without memory would hang.
func TestSlowStreamOfRecordsIsDropped(t *testing.T) {
	s := newSite(t, 1000)
	s.run(t)
	s.streams = limit.NewBudget(programBytes, time.Millisecond)
	before := s.dropped(t)
	all, ok := s.streams.TryReserve(programBytes)
	if !ok {
		t.Fatal("the memory is not free")
	}
	s.feed.Append(rec(1, feed.StatePlain, "one"))
	status, body, _ := s.get(t, "/api/stream") // returns because the stream ends
	if status != http.StatusOK || strings.Contains(body, "event: record") {
		t.Errorf("without memory: got %d %s", status, body)
	}
	if got := s.dropped(t) - before; got != 1 {
		t.Errorf("the metric counts %v dropped streams", got)
	}
	all.Release()
	next, leave := s.openStream(t, "", "")
	next()
	next().record(t)
	leave()
	for start := time.Now(); ; time.Sleep(time.Millisecond) { // the memory is returned after the client has left
		if all, ok = s.streams.TryReserve(programBytes); ok {
			all.Release()
			return
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("memory of a stream that waits is lost")
		}
	}
}

func (s *site) dropped(t *testing.T) float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "e2ee_viewers_cut_total" {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}
