package web

import (
	"context"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	flushEvery = 250 * time.Millisecond // at most four flushes a second
	lookEvery  = time.Second            // for what changes by time alone: the rate, and how long Kafka has been away
	backlog    = 16                     // flushes that a viewer may be behind
)

// audience is what viewers must have in common to be sent the same.
type audience struct {
	lang   string
	filter filter
}

// hub hands each flush to all viewers. It is rendered once for an audience and
// shared; a viewer that does not keep up is cut off, since its page can
// reconnect and catch up from where it was, and the others cannot wait.
type hub struct {
	mu     sync.Mutex
	sent   uint64 // the rev up to which flushes went out
	groups map[audience]*group
	done   chan struct{} // closed when Run ends
	cut    prometheus.Counter
}

type group struct {
	words   words
	parts   map[string]string // as they were sent last
	viewers map[chan []byte]struct{}
}

func newHub() *hub {
	return &hub{
		groups: make(map[audience]*group), done: make(chan struct{}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{Name: "e2ee_viewers_cut_total", Help: "Viewers cut off because they did not keep up."}),
	}
}

func (h *hub) count() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.groups {
		n += len(g.viewers)
	}
	return n
}

// Run sends what changes in the feed to all viewers until ctx ends, and then
// ends their streams. Call it once.
func (s *Server) Run(ctx context.Context) {
	defer close(s.hub.done)
	s.door.announce(ctx)
	go s.door.follow(ctx, time.Tick(readEvery))
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.feed.changed:
		case <-look.C:
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
	if len(h.groups) == 0 {
		_, h.sent = s.feed.newest(0)
		return
	}
	list, rev := s.feed.since(h.sent)
	missed := passed(h.sent, rev, list)
	h.sent = rev
	parts := make(map[string]map[string]string)
	for who, g := range h.groups {
		if parts[who.lang] == nil {
			parts[who.lang] = s.parts(ctx, g.words)
		}
		changed := g.change(parts[who.lang])
		matching, _ := who.filter.only(list, len(list))
		if len(matching) == 0 && len(changed) == 0 && missed == 0 {
			continue
		}
		h.send(who, s.frame(ctx, g.words, matching, rev, flush{Passed: missed, Parts: changed}))
	}
}

// change takes the new parts and gives those that differ from what was sent.
func (g *group) change(parts map[string]string) map[string]string {
	changed := make(map[string]string)
	for id, html := range parts {
		if g.parts[id] != html {
			changed[id] = html
		}
	}
	g.parts = parts
	return changed
}

func (h *hub) send(who audience, frame []byte) {
	g := h.groups[who]
	for viewer := range g.viewers {
		select {
		case viewer <- frame:
		default:
			h.drop(who, viewer)
			close(viewer)
			h.cut.Inc()
		}
	}
}

// drop forgets a viewer, and an audience that has none any more.
func (h *hub) drop(who audience, viewer chan []byte) {
	if g := h.groups[who]; g != nil {
		if delete(g.viewers, viewer); len(g.viewers) == 0 {
			delete(h.groups, who)
		}
	}
}

func (h *hub) leave(who audience, viewer chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(who, viewer)
}

// join adds a viewer. Its first frame brings the page from where it was to
// where the stream is, so that nothing is missed or sent twice.
func (s *Server) join(ctx context.Context, w words, f filter, after uint64, known bool) (audience, chan []byte) {
	h, who := s.hub, audience{w.lang, f}
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.groups[who]
	if g == nil {
		g = &group{words: w, viewers: make(map[chan []byte]struct{})}
		h.groups[who] = g
	}
	// Revs from here on come with the next flush; what is sent before it may come
	// again with it, which replaces a row by itself.
	first := flush{Parts: s.parts(ctx, w)}
	var list []revised
	var rev uint64
	if known {
		list, rev = s.feed.since(after)
		first.Passed = passed(after, rev, list)
		list, _ = f.only(list, len(list))
	} else {
		first.Reset = true
		list, rev = s.feed.older(0)
		list, _ = f.only(list, firstRows)
	}
	viewer := make(chan []byte, backlog)
	viewer <- s.frame(ctx, w, list, rev, first)
	g.viewers[viewer] = struct{}{}
	return who, viewer
}

// passed is how many changes left the feed before they could be shown. A record
// that changed twice is counted twice.
func passed(after, rev uint64, list []revised) int {
	return max(int(min(rev-after, math.MaxInt32))-len(list), 0) //nolint:gosec // bounded in the same line
}

func (s *Server) parts(ctx context.Context, w words) map[string]string {
	h := s.head(w)
	return map[string]string{
		"verdict":     render(func(out io.Writer) error { return verdict(w, h.verdict).Render(ctx, out) }),
		"attestation": render(func(out io.Writer) error { return attestation(w, h.attest).Render(ctx, out) }),
		"hero":        render(func(out io.Writer) error { return hero(w, h.hero).Render(ctx, out) }),
		"kafka":       render(func(out io.Writer) error { return kafka(h.kafka).Render(ctx, out) }),
		"tally":       render(func(out io.Writer) error { return tally(h.counts).Render(ctx, out) }),
		"strip":       render(func(out io.Writer) error { return strip(h.strip).Render(ctx, out) }),
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
