package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/pages"
)

const (
	// heartbeat is how often something is sent. Azure's load balancer drops a silent connection after 4 minutes, and the
	// page's script takes a silent stream for lost even sooner.
	heartbeat    = 15 * time.Second
	flushEvery   = 250 * time.Millisecond // at least, between two updates
	refreshEvery = time.Second            // for what changes with time alone, such as the rate
	countTime    = 50 * time.Millisecond  // at most, in one update to all: the pages that remain get their counts with the next

	firstRows = 200               // on a page when it is opened
	maxGone   = 2 * pages.MaxRows // in one update; if more rows leave the filter, the page gets all rows again
	newRows   = 60                // of new records in one update: nobody reads more in a quarter of a second
)

// update is an event of the stream, as the page's script reads it.
type update struct {
	Reset   bool              `json:"reset,omitempty"`   // remove all rows first
	Rows    string            `json:"rows,omitempty"`    // HTML, newest first
	Count   int               `json:"count,omitempty"`   // of Rows
	Fresh   int               `json:"fresh,omitempty"`   // new records, whether in Rows or not
	Gone    []string          `json:"gone,omitempty"`    // ids of rows that left the filter
	Read    int               `json:"read,omitempty"`    // new records, whether selected or not
	Matches *matches          `json:"matches,omitempty"` // with Reset, and after records changed
	Skipped int               `json:"skipped,omitempty"` // selected changes that are not in Rows
	Parts   map[string]string `json:"parts,omitempty"`   // HTML of the parts of the page that changed, by id

	Unsearched int `json:"unsearched,omitempty"` // changes that left the feed before the filter saw them

	recount bool // the page cannot know Matches from Fresh and Read
}

// matches says how many of the searched records a filter selects.
type matches struct {
	Selected int `json:"selected"`
	Searched int `json:"searched"`
}

// Run sends changes to all viewers until ctx ends, and then ends their streams. Call it once.
func (s *Server) Run(ctx context.Context) {
	defer close(s.broadcaster.done)
	go s.guard.Run(ctx)
	refresh := time.NewTicker(refreshEvery)
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.feed.Changes():
		case <-refresh.C:
		}
		s.flush(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(flushEvery):
		}
	}
}

// flush sends an update to each audience for which something changed.
func (s *Server) flush(ctx context.Context) {
	b := s.broadcaster
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.feed.Rev() != b.sent {
		b.wake()
	}
	if len(b.groups) == 0 {
		b.sent = s.feed.Rev()
		return
	}
	list, rev := s.feed.Since(b.sent)
	missed := missedSince(b.sent, rev, list)
	b.sent = rev
	parts := make(map[string]map[string]string) // by language
	counted := time.Now().Add(countTime)
	for to, g := range b.groups {
		if parts[to.lang] == nil {
			parts[to.lang] = s.overview(g.localizer).Parts(ctx, g.localizer)
		}
		u := update{Parts: g.changed(parts[to.lang])}
		selected := s.selectChanges(&u, to.filter, list, missed)
		g.recount = g.recount || u.recount
		switch {
		case u.Reset: // it may hold records that are newer than rev, which the next update counts again
			g.recount = true
		case g.recount && time.Now().Before(counted):
			u.Matches, g.recount = s.matches(to.filter, rev), false
		}
		if len(selected) == 0 && len(u.Parts) == 0 && len(u.Gone) == 0 && !u.Reset && u.Matches == nil && missed == 0 {
			continue
		}
		b.send(to, s.event(ctx, g.localizer, selected, rev, u))
	}
}

// join adds a viewer. Its first event brings the page from the revision that it has, if known, to the present one, so that
// it misses nothing. It fails if there is no memory for that event.
func (s *Server) join(ctx context.Context, l pages.Localizer, f feed.Filter, after uint64, known bool) (audience, *viewer, bool) {
	b, to := s.broadcaster, audience{l.Lang, f}
	b.mu.Lock()
	defer b.mu.Unlock()
	// The next flush may send some of these changes again. A row replaces itself, but a count would count twice.
	u := update{Parts: s.overview(l).Parts(ctx, l)}
	var list []feed.Entry
	var rev uint64
	if known {
		list, rev = s.feed.Since(after)
		if list = s.selectChanges(&u, f, list, missedSince(after, rev, list)); u.recount {
			u.Matches = s.matches(f, rev)
		}
	} else {
		list, rev = s.feed.Before(0)
		list = u.reset(f, list)
	}
	first, ok := newFrame(s.event(ctx, l, list, rev, u), b.budget)
	if !ok {
		return to, nil, false
	}
	defer first.release()
	v := b.add(to, l, first)
	b.groups[to].recount = b.groups[to].recount || f != feed.Filter{} && rev != b.sent
	return to, v, true
}

// selectChanges returns the entries to send to a page with a filter, and completes the update. Without a filter, missed
// changes count as skipped; with one, as unsearched, because it is unknown whether they matched.
func (s *Server) selectChanges(u *update, f feed.Filter, list []feed.Entry, missed int) []feed.Entry {
	if f == (feed.Filter{}) {
		u.Skipped = missed
		return list
	}
	u.Unsearched = missed
	for _, e := range list {
		if e.IsNew() {
			u.Read++
		}
	}
	selected, gone := f.Split(list)
	if len(gone) > maxGone {
		all, _ := s.feed.Before(0)
		return u.reset(f, all)
	}
	for _, e := range gone {
		u.Gone = append(u.Gone, pages.RowID(e.Record))
	}
	u.recount = len(gone) > 0 || slices.ContainsFunc(selected, feed.Entry.Replaces)
	return selected
}

// matches counts the records that a filter selects, of those held at a revision.
func (s *Server) matches(f feed.Filter, rev uint64) *matches {
	held, _ := s.feed.Before(0)
	held = slices.DeleteFunc(held, func(e feed.Entry) bool { return e.Rev > rev }) // the next update counts these
	_, selected := f.Select(held, 0)
	return &matches{selected, len(held)}
}

// reset makes an update that replaces all rows of a page with a filter, and returns their entries.
func (u *update) reset(f feed.Filter, held []feed.Entry) []feed.Entry {
	selected, all := f.Select(held, firstRows)
	u.Reset, u.Read, u.Matches = true, 0, &matches{all, len(held)}
	return selected
}

// missedSince returns how many changes after a revision left the feed unseen. A record that changed twice counts twice.
func missedSince(after, rev uint64, list []feed.Entry) int {
	return max(int(min(rev-after, math.MaxInt32))-len(list), 0)
}

// event renders an update as a server-sent event.
func (s *Server) event(ctx context.Context, l pages.Localizer, list []feed.Entry, rev uint64, u update) []byte {
	kept, fresh := limitRows(list, u.Reset)
	u.Skipped += len(list) - len(kept)
	u.Count, u.Fresh = len(kept), fresh
	u.Rows = pages.Render(func(out io.Writer) error { return pages.Rows(l, l.Rows(kept)).Render(ctx, out) })
	var event bytes.Buffer
	event.Grow(len(u.Rows) + 4<<10)
	event.WriteString("id: " + s.cursor(rev) + "\ndata: ")
	body := json.NewEncoder(&event) // writes one line, whatever the rows hold
	body.SetEscapeHTML(false)       // it is not part of an HTML page, and would be much longer
	if body.Encode(u) != nil {
		return nil
	}
	event.WriteString("\n")
	return event.Bytes()
}

// limitRows keeps all changed records, whose old rows may be on the page, but only the newest of the new records: in a
// burst the browser would be busy with rows that nobody can read. It also counts the new records.
func limitRows(list []feed.Entry, all bool) (kept []feed.Entry, fresh int) {
	for _, e := range list {
		if e.IsNew() {
			fresh++
		}
		if len(kept) < pages.MaxRows && (!e.IsNew() || all || fresh <= newRows) {
			kept = append(kept, e)
		}
	}
	return kept, fresh
}

// events answers GET /api/events?after=CURSOR with server-sent events (HTML Living Standard, section 9.2). It takes the
// page's filter, too. The header Last-Event-ID has precedence over after.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	after, known := s.parseCursor(cursor)
	to, v, ok := s.join(context.WithoutCancel(r.Context()), s.language(r), pages.ParseFilter(r.URL.Query()), after, known)
	if !ok {
		s.tooBusy(w, r)
		return
	}
	defer s.broadcaster.leave(to, v)
	w.Header().Set("Content-Type", "text/event-stream")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-s.broadcaster.done:
			return
		case <-r.Context().Done():
			return
		case f, open := <-v.frames:
			if !open {
				return // dropped
			}
			v.dequeued(f)
			err := limit.Send(w, f.body)
			f.release()
			if err != nil {
				return
			}
		case <-beat.C:
			if limit.Send(w, []byte("event: alive\ndata:\n\n")) != nil {
				return
			}
		}
	}
}

// cursor returns a revision of the feed as an event's id.
func (s *Server) cursor(rev uint64) string { return s.feed.ID() + "-" + strconv.FormatUint(rev, 10) }

// parseCursor returns the revision of a cursor, if it is one of this feed.
func (s *Server) parseCursor(text string) (rev uint64, known bool) {
	id, number, found := strings.Cut(text, "-")
	if !found || id != s.feed.ID() {
		return 0, false
	}
	rev, err := strconv.ParseUint(number, 10, 64)
	if err != nil || rev > s.feed.Rev() {
		return 0, false
	}
	return rev, true
}
