package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	heartbeat = 15 * time.Second // Azure's load balancer drops a silent flow after 4 minutes
	patience  = 10 * time.Second // for one write to a viewer
)

// flush is one message of the stream, as the page's script reads it.
type flush struct {
	Reset  bool              `json:"reset,omitempty"`  // forget the rows there are
	Rows   string            `json:"rows,omitempty"`   // rendered rows, newest first
	Count  int               `json:"count,omitempty"`  // of the rows
	Fresh  int               `json:"fresh,omitempty"`  // of them, those that came new
	Passed int               `json:"passed,omitempty"` // changed, but not among the rows
	Parts  map[string]string `json:"parts,omitempty"`  // rendered parts of the head, by id
}

// frame renders an event. It says how many changes it left out.
func (s *Server) frame(ctx context.Context, w words, list []revised, rev uint64, f flush) []byte {
	kept, fresh := choose(list, f.Reset)
	f.Passed += len(list) - len(kept)
	f.Count, f.Fresh = len(kept), fresh
	f.Rows = render(func(out io.Writer) error { return rows(w, w.rows(kept)).Render(ctx, out) })
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

// choose takes what a page has room for: of new records the newest, since a
// burst would keep the browser busy with rows that nobody can read, and all that
// changed, since their rows may stand there as they were.
func choose(list []revised, all bool) (kept []revised, fresh int) {
	for _, r := range list {
		isNew := r.Rev == r.Seq
		if isNew {
			fresh++
		}
		if len(kept) < maxRows && (!isNew || all || fresh <= newRows) {
			kept = append(kept, r)
		}
	}
	return kept, fresh
}

// events answers GET /api/events?after=CURSOR, with a filter as the page has it,
// with server-sent events (HTML Living Standard, section 9.2). Last-Event-ID goes
// before after.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	after, known := s.parseCursor(cursor)
	who, viewer := s.join(context.WithoutCancel(r.Context()), s.language(r), parseFilter(r.URL.Query()), after, known)
	defer s.hub.leave(who, viewer)
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
