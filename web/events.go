package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	flushEvery = 250 * time.Millisecond // at most four flushes a second
	heartbeat  = 15 * time.Second       // Azure's load balancer drops a silent flow after 4 minutes
	patience   = 10 * time.Second       // for one write to a viewer
	backlog    = 16                     // flushes that a viewer may be behind
)

// hub hands each flush to all viewers. It is rendered once and shared; a viewer
// that does not keep up is cut off, since its page can reconnect and catch up
// from where it was, and the others cannot wait.
type hub struct {
	mu      sync.Mutex
	sent    uint64 // the rev up to which flushes went out
	parts   map[string]string
	viewers map[chan []byte]struct{}
	done    chan struct{} // closed when Run ends
	cut     prometheus.Counter
}

func newHub() *hub {
	return &hub{
		viewers: make(map[chan []byte]struct{}), done: make(chan struct{}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{Name: "e2ee_viewers_cut_total", Help: "Viewers cut off because they did not keep up."}),
	}
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.viewers)
}

// flush is one message of the stream, as the page's script reads it.
type flush struct {
	Reset  bool              `json:"reset,omitempty"`  // forget the rows there are
	Rows   string            `json:"rows,omitempty"`   // rendered rows, newest first
	Count  int               `json:"count,omitempty"`  // of the rows
	Passed int               `json:"passed,omitempty"` // changed, but not among the rows
	Parts  map[string]string `json:"parts,omitempty"`  // rendered parts of the head, by id
}

// Run sends what changes in the feed to all viewers until ctx ends, and then
// ends their streams. Call it once.
func (s *Server) Run(ctx context.Context) {
	defer close(s.hub.done)
	s.door.announce(ctx)
	go s.door.follow(ctx, time.Tick(readEvery))
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.feed.changed:
		}
		s.flush(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(flushEvery):
		}
	}
}

func (s *Server) flush(ctx context.Context) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.viewers) == 0 {
		_, h.sent = s.feed.newest(0)
		return
	}
	list, rev := s.feed.since(h.sent)
	parts := s.parts(ctx)
	changed := make(map[string]string)
	for id, html := range parts {
		if h.parts[id] != html {
			changed[id] = html
		}
	}
	frame := s.frame(ctx, list, rev, flush{Passed: passed(h.sent, rev, list), Parts: changed})
	h.sent, h.parts = rev, parts
	for viewer := range h.viewers {
		select {
		case viewer <- frame:
		default:
			delete(h.viewers, viewer)
			close(viewer)
			h.cut.Inc()
		}
	}
}

// join adds a viewer. Its first frame brings the page from where it was to
// where the stream is, so that nothing is missed or sent twice.
func (s *Server) join(ctx context.Context, after uint64, known bool) chan []byte {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	// Revs from here on come with the next flush; what is sent before it may come
	// again with it, which replaces a row by itself.
	first := flush{Parts: s.parts(ctx)}
	var list []revised
	var rev uint64
	if known {
		list, rev = s.feed.since(after)
		first.Passed = passed(after, rev, list)
	} else {
		first.Reset = true
		list, rev = s.feed.newest(firstRows)
	}
	viewer := make(chan []byte, backlog)
	viewer <- s.frame(ctx, list, rev, first)
	h.viewers[viewer] = struct{}{}
	return viewer
}

// passed is how many changes left the feed before they could be shown. A record
// that changed twice is counted twice.
func passed(after, rev uint64, list []revised) int {
	return max(int(min(rev-after, math.MaxInt32))-len(list), 0) //nolint:gosec // bounded in the same line
}

func (h *hub) leave(viewer chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, viewer)
}

// frame renders an event. It carries the newest rows and says how many it left out.
func (s *Server) frame(ctx context.Context, list []revised, rev uint64, f flush) []byte {
	if len(list) > maxRows {
		f.Passed += len(list) - maxRows
		list = list[:maxRows]
	}
	f.Count = len(list)
	f.Rows = render(func(w io.Writer) error { return rows(s.rows(list)).Render(ctx, w) })
	body, err := json.Marshal(f) // one line, whatever the rows hold
	if err != nil {
		return nil
	}
	var frame bytes.Buffer
	frame.WriteString("id: " + s.cursor(rev) + "\ndata: ")
	frame.Write(body)
	frame.WriteString("\n\n")
	return frame.Bytes()
}

func (s *Server) parts(ctx context.Context) map[string]string {
	h := s.head()
	return map[string]string{
		"verdict":     render(func(w io.Writer) error { return verdict(h.verdict).Render(ctx, w) }),
		"attestation": render(func(w io.Writer) error { return attestation(h.attest).Render(ctx, w) }),
		"hero":        render(func(w io.Writer) error { return hero(s.words, h.hero).Render(ctx, w) }),
		"kafka":       render(func(w io.Writer) error { return kafka(h.kafka).Render(ctx, w) }),
		"tally":       render(func(w io.Writer) error { return tally(h.counts).Render(ctx, w) }),
	}
}

// render gives what a component writes. Writing to memory fails only where the
// context has ended, and then nobody reads it.
func render(write func(io.Writer) error) string {
	var b strings.Builder
	if write(&b) != nil {
		return ""
	}
	return b.String()
}

// events answers GET /api/events?after=CURSOR with server-sent events
// (HTML Living Standard, section 9.2). Last-Event-ID goes before after.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	after, known := s.parseCursor(cursor)
	viewer := s.join(context.WithoutCancel(r.Context()), after, known)
	defer s.hub.leave(viewer)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		frame := []byte(": alive\n\n")
		select {
		case <-s.hub.done:
			return
		case <-r.Context().Done():
			return
		case next, open := <-viewer:
			if !open {
				return // cut off
			}
			frame = next
		case <-beat.C:
		}
		if out.SetWriteDeadline(time.Now().Add(patience)) != nil {
			return
		}
		if _, err := w.Write(frame); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
		// Over HTTP/2 a limit that passes ends the stream, also while nothing is being written.
		if out.SetWriteDeadline(time.Time{}) != nil {
			return
		}
	}
}

// parseCursor reads a place in the feed. One of another process's feed is not known.
func (s *Server) parseCursor(text string) (rev uint64, known bool) {
	id, number, found := strings.Cut(text, "-")
	if !found || id != s.feed.id {
		return 0, false
	}
	rev, err := strconv.ParseUint(number, 10, 64)
	if _, now := s.feed.newest(0); err != nil || rev > now {
		return 0, false
	}
	return rev, true
}
