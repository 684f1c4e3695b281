package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
)

// watched is an answer that records its time limit.
type watched struct {
	*httptest.ResponseRecorder
	limit   time.Time
	flushed chan time.Time // the limit at each flush
}

func (w *watched) SetWriteDeadline(limit time.Time) error {
	w.limit = limit
	return nil
}

func (w *watched) FlushError() error {
	w.flushed <- w.limit
	return nil
}

// Without this a quiet stream over HTTP/2 would break every few seconds, or a viewer who receives nothing would hold its
// stream forever.
func TestQuietStreamHasNoLimit(t *testing.T) {
	s := newSite(t, 10)
	ctx, leave := context.WithCancel(t.Context())
	w := &watched{ResponseRecorder: httptest.NewRecorder(), flushed: make(chan time.Time)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Server.events(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/events", http.NoBody))
	}()
	if limit := <-w.flushed; limit.IsZero() {
		t.Error("a write has no limit")
	}
	leave()
	<-ended
	if !w.limit.IsZero() {
		t.Errorf("between writes there is a limit: %v", w.limit)
	}
}

type event struct {
	id string
	update
}

// events receives the updates of a stream until it ends.
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
				if err := json.Unmarshal([]byte(text), &e.update); t.Context().Err() != nil {
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

// mustJoin adds a viewer to the stream.
func (s *site) mustJoin(t *testing.T, f feed.Filter, after uint64, known bool) (audience, *viewer) {
	t.Helper()
	return s.joinIn(t, s.english(), f, after, known)
}

func (s *site) joinIn(t *testing.T, l pages.Localizer, f feed.Filter, after uint64, known bool) (audience, *viewer) {
	t.Helper()
	to, v, ok := s.join(t.Context(), l, f, after, known)
	if !ok {
		t.Fatal("there is no memory for a viewer")
	}
	return to, v
}

// take receives a viewer's next event.
func take(v *viewer) []byte {
	f := <-v.frames
	v.dequeued(f)
	defer f.release()
	return f.body
}

// Without this a page whose connection broke would miss records, or show them twice.
func TestStreamResumes(t *testing.T) {
	s := newSite(t, 1000)
	s.run(t)
	s.feed.Append(rec(1, feed.StatePlain, "one"))
	first := s.events(t, "")
	e := <-first
	if !e.Reset || !strings.Contains(e.Rows, "wire of one") {
		t.Fatalf("a page without a cursor gets %+v", e)
	}
	for i := range 20 {
		s.feed.Append(rec(int64(10+i), feed.StatePlain, fmt.Sprint("later ", i)))
	}
	again := <-s.events(t, e.id)
	if again.Reset || again.Count != 20 || strings.Contains(again.Rows, "wire of one") {
		t.Errorf("a page that reconnects gets reset=%v and %d rows, want the 20 that it missed", again.Reset, again.Count)
	}
	if other := <-s.events(t, "OTHERFEED-1"); !other.Reset || other.Count != 21 {
		t.Errorf("a page of a server that was restarted gets reset=%v and %d rows", other.Reset, other.Count)
	}
	for n := 0; n < 20; {
		e, open := <-first
		if !open {
			t.Fatal("the first viewer was dropped")
		}
		n += e.Count
	}
}

// Without this a viewer with a bad connection would delay all others or hide records from them.
func TestSlowViewerIsDropped(t *testing.T) {
	s := newSite(t, 1000)
	_, slow := s.mustJoin(t, feed.Filter{}, 0, false)
	_, quick := s.mustJoin(t, feed.Filter{}, 0, false)
	rows := 0
	drain := func() {
		for len(quick.frames) > 0 {
			if strings.Contains(string(take(quick)), "wire of") {
				rows++
			}
		}
	}
	for i := range maxQueued + 5 {
		s.feed.Append(rec(int64(i), feed.StatePlain, fmt.Sprint(i)))
		s.flush(t.Context())
		drain()
	}
	if got := testutil.ToFloat64(s.broadcaster.dropped); got != 1 || s.broadcaster.count() != 1 {
		t.Errorf("dropped: %v, left: %d", got, s.broadcaster.count())
	}
	if rows != maxQueued+5 {
		t.Errorf("the other viewer got %d of %d updates", rows, maxQueued+5)
	}
	if _, open := <-slow.frames; open || slow.queued.Load() != 0 {
		t.Error("the slow viewer's stream goes on")
	}
}

// Without this a burst would keep the browser busy with rows that nobody can read, or rows on the page would stay
// ciphertext after the key arrived.
func TestUpdatesAreLimited(t *testing.T) {
	s := newSite(t, 5000)
	_, viewer := s.mustJoin(t, feed.Filter{}, 0, false)
	take(viewer)
	next := func() (u update) {
		t.Helper()
		s.flush(t.Context())
		_, data, _ := strings.Cut(string(take(viewer)), "data: ")
		if err := json.Unmarshal([]byte(data), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	for i := range 2000 {
		s.feed.Append(rec(int64(i), feed.StateNoKey, fmt.Sprint(i)))
	}
	if f := next(); f.Count != newRows || f.Fresh != 2000 || f.Skipped != 2000-newRows || !strings.Contains(f.Rows, "wire of 1999") {
		t.Errorf("an update of 2000 new records has %d rows, %d new and %d skipped", f.Count, f.Fresh, f.Skipped)
	}
	decryptAll(s.feed, "decrypted")
	if f := next(); f.Count != pages.MaxRows || f.Fresh != 0 || f.Skipped != 2000-pages.MaxRows {
		t.Errorf("an update of 2000 changes has %d rows, %d new and %d skipped", f.Count, f.Fresh, f.Skipped)
	}
}

// Without this the process could not end while a page is open.
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

// Without this a page with a filter would show all new records, or none.
func TestStreamIsFiltered(t *testing.T) {
	s := newSite(t, 1000)
	_, plain := s.mustJoin(t, feed.Filter{State: feed.StatePlain}, 0, false)
	_, all := s.joinIn(t, pages.Localizer{Texts: s.languages.All()[1]}, feed.Filter{}, 0, false)
	take(plain)
	take(all)
	s.feed.Append(rec(1, feed.StateDecrypted, "one"), rec(2, feed.StatePlain, "two"))
	s.flush(t.Context())
	if frame := string(take(plain)); strings.Contains(frame, "r-t-0-1") || !strings.Contains(frame, "r-t-0-2") || !strings.Contains(frame, "Not encrypted") {
		t.Errorf("the filtered page gets %s", frame)
	}
	if frame := string(take(all)); !strings.Contains(frame, "r-t-0-1") || !strings.Contains(frame, "r-t-0-2") || !strings.Contains(frame, "暗号化なし") {
		t.Errorf("the other page gets %s", frame)
	}
	s.flush(t.Context())
	if len(plain.frames) > 0 || len(all.frames) > 0 {
		t.Error("an update is sent though nothing changed")
	}
}

// Without this a page with a filter would keep rows that left the filter, lack rows that entered it, or count records
// that it would never show.
func TestRowsLeaveTheFilter(t *testing.T) {
	s := newSite(t, 1000)
	read := func(viewer *viewer) (u update) {
		t.Helper()
		_, data, _ := strings.Cut(string(take(viewer)), "data: ")
		if err := json.Unmarshal([]byte(data), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	s.feed.Append(rec(1, feed.StateNoKey, "one"), rec(2, feed.StatePlain, "two"))
	_, locked := s.mustJoin(t, feed.Filter{State: feed.StateNoKey}, 0, false)
	_, opened := s.mustJoin(t, feed.Filter{State: feed.StateDecrypted}, 0, false)
	if f := read(locked); f.Count != 1 || len(f.Gone) != 0 {
		t.Fatalf("at first: %+v", f)
	}
	read(opened)
	rev := s.feed.Rev()

	decryptAll(s.feed, "opened")
	s.flush(t.Context())
	if f := read(locked); f.Count != 0 || len(f.Gone) != 1 || f.Gone[0] != "r-t-0-1" || f.Skipped != 0 {
		t.Errorf("the page of records without a key gets %+v", f)
	}
	if f := read(opened); f.Count != 1 || !strings.Contains(f.Rows, "r-t-0-1") || f.Skipped != 0 {
		t.Errorf("the page of decrypted records gets %+v", f)
	}
	_, again := s.mustJoin(t, feed.Filter{State: feed.StateNoKey}, rev, true)
	if f := read(again); f.Reset || len(f.Gone) != 1 {
		t.Errorf("a page that reconnects gets %+v", f)
	}

	// Another record that the filter does not select takes a position.
	reused := rec(2, feed.StateDecrypted, "another topic's")
	_, plain := s.mustJoin(t, feed.Filter{State: feed.StatePlain}, 0, false)
	read(plain)
	s.feed.Append(reused)
	s.flush(t.Context())
	if f := read(plain); len(f.Gone) != 1 || f.Gone[0] != "r-t-0-2" {
		t.Errorf("the page of plain records gets %+v", f)
	}

	// Records that left the feed before the filter saw them do not count as skipped.
	rev = s.feed.Rev()
	for i := range 1900 {
		s.feed.Append(rec(int64(100+i), feed.StatePlain, "of no interest"))
	}
	_, back := s.mustJoin(t, feed.Filter{State: feed.StateOversized}, rev, true)
	if f := read(back); f.Skipped != 0 || f.Unsearched != 900 || f.Count != 0 {
		t.Errorf("a filtered page that reconnects gets skipped %d, unsearched %d, %d rows", f.Skipped, f.Unsearched, f.Count)
	}
	_, all := s.mustJoin(t, feed.Filter{}, rev, true)
	if f := read(all); f.Skipped != 1900-newRows || f.Unsearched != 0 {
		t.Errorf("a page of all records that reconnects gets skipped %d, unsearched %d", f.Skipped, f.Unsearched)
	}
	_, some := s.mustJoin(t, feed.Filter{State: feed.StatePlain}, rev, true)
	if f := read(some); f.Skipped != 1000-newRows || f.Unsearched != 900 {
		t.Errorf("one of plain records gets skipped %d, unsearched %d", f.Skipped, f.Unsearched)
	}
}

// Without this "n of m" beside the filter would go wrong for good as soon as a key arrives late or records are loaded late.
func TestMatchesFollowChanges(t *testing.T) {
	s := newSite(t, 1000)
	for i := range 3 {
		s.feed.Append(rec(int64(i), feed.StateNoKey, fmt.Sprint("message ", i)))
	}
	s.feed.Append(rec(10, feed.StatePlain, "a message"))
	type page struct {
		viewer             *viewer
		selected, searched int
	}
	pages := make(map[feed.Filter]*page)
	for _, f := range []feed.Filter{{State: feed.StateNoKey}, {State: feed.StateDecrypted}, {Text: "wire"}, {Text: "message"}} {
		_, v := s.mustJoin(t, f, 0, false)
		pages[f] = &page{viewer: v}
	}
	// check receives all updates as the script does.
	check := func(when string) {
		t.Helper()
		s.flush(t.Context())
		held, _ := s.feed.Before(0)
		for f, p := range pages {
			for range pages { // counts that took too long come with a later update
				for len(p.viewer.frames) > 0 {
					var u update
					_, data, _ := strings.Cut(string(take(p.viewer)), "data: ")
					if err := json.Unmarshal([]byte(data), &u); err != nil {
						t.Fatal(err)
					}
					p.selected, p.searched = p.selected+u.Fresh, p.searched+u.Read
					if u.Matches != nil {
						p.selected, p.searched = u.Matches.Selected, u.Matches.Searched
					}
				}
				s.flush(t.Context())
			}
			if _, want := f.Select(held, 0); p.selected != want || p.searched != len(held) {
				t.Errorf("%s, with the filter %+v: %d of %d, want %d of %d", when, f, p.selected, p.searched, want, len(held))
			}
		}
	}
	check("at first")
	s.feed.Append(rec(20, feed.StateNoKey, "one more message"))
	check("after a new record")
	decryptAll(s.feed, "opened")
	check("after the key arrived")
	s.feed.Append(rec(10, feed.StateDecrypted, "of a recreated topic"))
	check("after a record took another one's place")
	older := rec(5, feed.StateDecrypted, "from before")
	older.Partition = 7
	s.feed.Backfill(older)
	check("after an older record was loaded")
	_, again := s.mustJoin(t, feed.Filter{State: feed.StateDecrypted}, s.feed.Rev()-1, true)
	if body := string(take(again)); !strings.Contains(body, `"matches":{"selected":`) {
		t.Errorf("a page that reconnects is not told how many match: %s", body)
	}
}

// Without this a key that arrives late would make one update as large as the history.
func TestManyRowsLeaveTheFilter(t *testing.T) {
	s := newSite(t, 5000)
	for i := range maxGone + 1 {
		s.feed.Append(rec(int64(i), feed.StateNoKey, fmt.Sprint(i)))
	}
	s.feed.Append(rec(9999, feed.StateNoKey, "the one that stays"))
	_, viewer := s.mustJoin(t, feed.Filter{State: feed.StateNoKey}, 0, false)
	take(viewer)
	before := s.feed.Records()
	after := make([]*feed.Record, len(before))
	for i, r := range before[:maxGone+1] {
		after[i] = rec(r.Offset, feed.StateDecrypted, "opened")
	}
	s.feed.Replace(before, after)
	s.flush(t.Context())
	_, data, _ := strings.Cut(string(take(viewer)), "data: ")
	var u update
	if err := json.Unmarshal([]byte(data), &u); err != nil || !u.Reset || len(u.Gone) != 0 || u.Count != 1 || !strings.Contains(u.Rows, "the one that stays") {
		t.Errorf("the page gets reset=%v, %d rows, %d that have left, %v", u.Reset, u.Count, len(u.Gone), err)
	}
}

// Without this live pages that read slowly, each with its own filter, could use up the pod's memory, or others would be
// dropped for them.
func TestSlowStreamsAreBounded(t *testing.T) {
	s := newSite(t, 1000)
	before := heap()
	_, good := s.mustJoin(t, feed.Filter{}, 0, false)
	take(good)
	joined := 0
	for i := range 256 {
		if _, _, ok := s.join(t.Context(), s.english(), feed.Filter{Text: fmt.Sprint("\x01", strings.Repeat("x", i%20), i)}, 0, false); ok {
			joined++
		}
	}
	for i := range 256 { // the records match every filter; the other parts of the page change for all
		text := strings.Repeat(`"`, 900) + "\x01"
		for j := range 60 {
			r := rec(int64(i*60+j), feed.StatePlain, text)
			r.Key = []byte("\x01")
			s.feed.Append(r)
		}
		s.flush(t.Context())
		select {
		case f, open := <-good.frames:
			if !open {
				t.Fatalf("a viewer that keeps up is dropped at update %d", i)
			}
			good.dequeued(f)
			f.release()
		default:
			t.Fatalf("a viewer that keeps up gets nothing at update %d", i)
		}
	}
	if grew := heap() - before; grew > streamBytes+16<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
	s.broadcaster.mu.Lock()
	for to, g := range s.broadcaster.groups {
		for v := range g.viewers {
			s.broadcaster.remove(to, v)
		}
	}
	s.broadcaster.mu.Unlock()
	if _, ok := s.broadcaster.budget.TryReserve(streamBytes); !ok {
		t.Error("memory of streams that ended is lost")
	}
	if joined == 0 {
		t.Error("no viewer could join")
	}
	if _, _, ok := s.join(t.Context(), s.english(), feed.Filter{}, 0, false); ok {
		t.Error("a viewer joins without memory")
	}
	if status, body, header := s.get(t, "/api/events"); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.HasPrefix(body, `{"type":"urn:kafka-e2ee:problem:`) {
		t.Errorf("a stream without memory gets %d %s", status, body)
	}
}

// FuzzCursor checks that the server accepts only cursors of its own feed.
func FuzzCursor(f *testing.F) {
	s := &Server{feed: feed.New(10)}
	s.feed.Append(rec(1, feed.StatePlain, "a"), rec(2, feed.StatePlain, "b"))
	id := s.feed.ID()
	for _, seed := range []string{"", id + "-0", id + "-2", id + "-3", id + "--1", "OTHER-1", id + "-99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rev, known := s.parseCursor(text) // also of /api/stream
		if known && (!strings.HasPrefix(text, id+"-") || rev > 2) {
			t.Errorf("%q is taken for rev %d", text, rev)
		}
	})
}
