package web

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/problem"
)

// maxBatch is how many changes a stream looks at in one go.
const maxBatch = 1000

var errNoMemory = errors.New("streaming records: no memory is left for this stream")

// stream answers GET /api/stream with server-sent events (HTML Living Standard, section 9.2) of JSON: each change of a
// record that the filter selects, in the order of revisions. It starts after the revision of the header Last-Event-ID, or
// with all records that are held. It reads the feed when its client has read what was sent before, so a slow client costs
// no more memory than a fast one; one that is too slow for [limit.Writer] is dropped, and may resume.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	_, filter, err := parseAPIQuery(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "bad_query", err.Error())
		return
	}
	after, resumed := s.parseCursor(r.Header.Get("Last-Event-ID"))
	w.Header().Set("Content-Type", "text/event-stream")
	if limit.Send(w, fmt.Appendf(nil, "event: feed\nid: %s\ndata: {\"feed\":%q,\"resumed\":%t}\n\n", s.cursor(after), s.feed.ID(), resumed)) != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		changed := s.broadcaster.watch()
		for s.feed.Rev() > after {
			if after, err = s.sendChanges(w, r, filter, after); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errNoMemory) {
					s.broadcaster.dropped.Inc()
				}
				return
			}
		}
		select {
		case <-s.broadcaster.done:
			return
		case <-r.Context().Done():
			return
		case <-changed:
		case <-beat.C:
			// The id moves on though no record is selected: a client that resumes need not have them searched again.
			if limit.Send(w, fmt.Appendf(nil, "event: alive\nid: %s\ndata: {}\n\n", s.cursor(after))) != nil {
				return
			}
		}
	}
}

// sendChanges sends the earliest changes after a revision, and returns the revision up to which all were sent.
func (s *Server) sendChanges(w http.ResponseWriter, r *http.Request, f feed.Filter, after uint64) (next uint64, err error) {
	held, _ := s.feed.Size()
	part, ok := s.streams.Reserve(r.Context(), int64(held*refBytes)+handlerBytes)
	if !ok {
		return after, errNoMemory
	}
	defer part.Release()
	list, next, missed, err := s.nextChanges(r, f, after)
	if err != nil {
		return after, err
	}
	revs := make([]uint64, len(list))
	for i, e := range list {
		revs[i] = e.Rev
	}
	refs, largest := refsOf(list)
	part.Release()
	if part, ok = s.streams.Reserve(r.Context(), int64(largest+len(refs)*refBytes)+handlerBytes); !ok {
		return after, errNoMemory
	}
	defer part.Release()
	return next, s.sendRecords(w, refs, revs, after, missed)
}

// nextChanges returns the earliest changes after a revision that a filter selects, in the order of revisions, and the
// revision of the last one that it looked at. It stops at maxBatch of them, or once the selected ones have maxQueuedBytes.
func (s *Server) nextChanges(r *http.Request, f feed.Filter, after uint64) (list []feed.Entry, next uint64, missed bool, err error) {
	list, next = s.feed.Since(after)
	missed = s.feed.LostSince(after)
	slices.Reverse(list) // nearly sorted
	slices.SortFunc(list, func(a, b feed.Entry) int { return cmp.Compare(a.Rev, b.Rev) })
	if len(list) > maxBatch {
		list, next = list[:maxBatch], list[maxBatch-1].Rev
	}
	end, ok := s.search(r, f)
	if !ok {
		return nil, after, false, r.Context().Err()
	}
	list, _ = f.Select(list, len(list))
	end()
	size := 0
	for i, e := range list {
		if size += e.Size() + len(e.Stored); size > maxQueuedBytes && i > 0 {
			return list[:i], list[i-1].Rev, missed, nil
		}
	}
	return list, next, missed, nil
}

// sendRecords sends records that had the given revisions. One that has changed since is left out: its change comes later.
func (s *Server) sendRecords(w http.ResponseWriter, refs []feed.Ref, revs []uint64, after uint64, missed bool) error {
	if len(refs) == 0 && !missed {
		return nil
	}
	answer := limit.NewWriter(w)
	out := bufio.NewWriterSize(answer, limit.PieceSize/4)
	// Said before the records that follow: a client that has their ids does not get it again.
	sayMissed := func() error {
		_, err := fmt.Fprintf(out, "event: missed\ndata: {\"after\":%d}\n\n", after)
		return err
	}
	if missed {
		if err := sayMissed(); err != nil {
			return err
		}
	}
	for i, ref := range refs {
		r, held := s.feed.Get(ref)
		if !held && !missed {
			missed = true
			if err := sayMissed(); err != nil {
				return err
			}
		}
		if !held || r.Rev != revs[i] {
			continue
		}
		if _, err := fmt.Fprintf(out, "event: record\nid: %s\ndata: ", s.cursor(r.Rev)); err != nil {
			return err
		}
		if err := s.writeRecord(out, r); err != nil { // on one line: JSON escapes line ends
			return err
		}
		if _, err := out.WriteString("\n\n"); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return answer.Flush()
}
