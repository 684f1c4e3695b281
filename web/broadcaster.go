package web

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/pages"
)

const (
	maxQueued      = 16      // frames that a viewer may be behind
	maxQueuedBytes = 1 << 20 // of these frames
)

// audience groups viewers that receive identical frames.
type audience struct {
	lang   string
	filter feed.Filter
}

// broadcaster sends frames to viewers. It drops a viewer that does not keep up, so that the others need not wait: the
// viewer's page connects again and catches up.
type broadcaster struct {
	mu      sync.Mutex
	sent    uint64 // the feed's revision that the viewers have
	groups  map[audience]*group
	changed chan struct{} // closed and replaced when the feed has changed
	done    chan struct{} // closed when Run ends
	dropped prometheus.Counter
	budget  *limit.Budget // of queued frames
}

type group struct {
	localizer pages.Localizer
	parts     map[string]string // of the page, as last sent
	viewers   map[*viewer]struct{}
	recount   bool // the viewers' counts of matches are due
}

func newBroadcaster() *broadcaster {
	return &broadcaster{
		groups: make(map[audience]*group), changed: make(chan struct{}), done: make(chan struct{}), budget: limit.NewBudget(streamBytes, 0),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "e2ee_viewers_cut_total", Help: "Viewers cut off because they did not keep up."}),
	}
}

// watch returns a channel that is closed at the next change of the feed.
func (b *broadcaster) watch() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// wake tells those who watch that the feed has changed. The caller holds mu.
func (b *broadcaster) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// count returns the number of viewers.
func (b *broadcaster) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.groups {
		n += len(g.viewers)
	}
	return n
}

// changed returns the parts of the page that differ from those last sent.
func (g *group) changed(parts map[string]string) map[string]string {
	changed := make(map[string]string)
	for id, html := range parts {
		if g.parts[id] != html {
			changed[id] = html
		}
	}
	g.parts = parts
	return changed
}

// send queues a frame for an audience. If there is no memory for it, it drops the viewers that are furthest behind, one
// after the other. The caller holds mu.
func (b *broadcaster) send(to audience, body []byte) {
	g := b.groups[to]
	f, ok := newFrame(body, b.budget)
	for !ok {
		slowest, of := b.slowest()
		if slowest == nil { // all frames are being written at this moment
			for v := range g.viewers {
				b.drop(to, v)
			}
			return
		}
		b.drop(of, slowest)
		f, ok = newFrame(body, b.budget)
	}
	defer f.release()
	for v := range g.viewers {
		if !v.enqueue(f) {
			b.drop(to, v)
		}
	}
}

// slowest returns the viewer whose next frame has been queued for longest; nil if no frame is queued. Neither the number of
// frames nor their size says who is slow: a viewer that keeps up may have several at one moment, and one can be large.
func (b *broadcaster) slowest() (slowest *viewer, of audience) {
	var longest time.Time
	for a, g := range b.groups {
		for v := range g.viewers {
			if since, behind := v.behindSince(); behind && (slowest == nil || since.Before(longest)) {
				slowest, of, longest = v, a, since
			}
		}
	}
	return slowest, of
}

// drop ends a viewer's stream.
func (b *broadcaster) drop(from audience, v *viewer) {
	b.remove(from, v)
	close(v.frames)
	b.dropped.Inc()
}

// add adds a viewer with its first frame.
func (b *broadcaster) add(to audience, l pages.Localizer, first *frame) *viewer {
	v := newViewer()
	v.enqueue(first)
	if b.groups[to] == nil {
		b.groups[to] = &group{localizer: l, viewers: make(map[*viewer]struct{})}
	}
	b.groups[to].viewers[v] = struct{}{}
	return v
}

// remove removes a viewer, and its audience if that was the last viewer.
func (b *broadcaster) remove(from audience, v *viewer) {
	if g := b.groups[from]; g != nil {
		if delete(g.viewers, v); len(g.viewers) == 0 {
			delete(b.groups, from)
		}
	}
	v.clear()
}

// leave removes a viewer whose page was closed.
func (b *broadcaster) leave(from audience, v *viewer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(from, v)
}

// frame is an event of the stream that several viewers share. Its memory is given back once the last of them has sent or
// dropped it.
type frame struct {
	body   []byte
	users  atomic.Int32
	memory *limit.Reserved
}

// newFrame makes a frame with its maker as its first user. It fails if the budget has no memory for it.
func newFrame(body []byte, budget *limit.Budget) (*frame, bool) {
	memory, ok := budget.TryReserve(int64(len(body)))
	if !ok {
		return nil, false
	}
	f := &frame{body: body, memory: memory}
	f.users.Store(1)
	return f, true
}

// release ends the use of a frame by one user.
func (f *frame) release() {
	if f.users.Add(-1) == 0 {
		f.memory.Release()
	}
}

// viewer is a live page with its queue of frames.
type viewer struct {
	frames chan *frame  // closed when the viewer is dropped
	queued atomic.Int64 // bytes
	taken  atomic.Int64 // frames, out of the queue

	// Only the broadcaster uses these.
	added int64                // frames, into the queue
	since [maxQueued]time.Time // when the frame with a number was added, at the number modulo maxQueued
}

func newViewer() *viewer { return &viewer{frames: make(chan *frame, maxQueued)} }

// enqueue adds a frame to the queue. It fails if the viewer is too far behind.
func (v *viewer) enqueue(f *frame) bool {
	size := int64(len(f.body))
	if queued := v.queued.Load(); queued > 0 && queued+size > maxQueuedBytes {
		return false
	}
	f.users.Add(1)
	v.queued.Add(size)
	select {
	case v.frames <- f:
		v.since[v.added%maxQueued] = time.Now()
		v.added++
		return true
	default:
		v.queued.Add(-size)
		f.release()
		return false
	}
}

// dequeued counts a frame that left the queue.
func (v *viewer) dequeued(f *frame) {
	v.queued.Add(-int64(len(f.body)))
	v.taken.Add(1)
}

// behindSince returns when the next frame was queued, if there is one. The caller holds the broadcaster's mu.
func (v *viewer) behindSince() (at time.Time, behind bool) {
	next := v.taken.Load()
	return v.since[next%maxQueued], next < v.added
}

// clear empties the queue.
func (v *viewer) clear() {
	for {
		select {
		case f, open := <-v.frames:
			if !open {
				return
			}
			v.dequeued(f)
			f.release()
		default:
			return
		}
	}
}
