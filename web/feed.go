package web

import (
	"bytes"
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

// MaxBytes bounds what the feed holds beside the number of its records, since
// one record may have a megabyte. The newest record is always kept.
const MaxBytes = 32 << 20

// Feed is the bounded history of records that all viewers look at. Every change
// in it gets the next number, its rev, so that a reader can ask for what came
// since. It is safe for concurrent use, and publishing never waits for a reader.
type Feed struct {
	id   string // of this process's feed: revs of another one mean nothing here
	size int

	mu      sync.Mutex
	rev     uint64
	entries []*entry // oldest first
	index   map[position]*entry
	bytes   int
	counts  counts
	rate    rate
	now     func() time.Time
	changed chan struct{} // holds one signal at most
}

// entry keeps a record's place while the record itself is replaced.
type entry struct {
	record *Record
	seq    uint64 // the rev that it came with: its place among the others
	rev    uint64
}

// counts are totals since the start, in what is true of the records now.
type counts struct{ Decrypted, Unreadable, Plain, Failed int }

func (c *counts) add(s State, n int) {
	switch s {
	case StateDecrypted:
		c.Decrypted += n
	case StatePlain:
		c.Plain += n
	case StateUndecryptable, StateMalformed, StateOversized:
		c.Failed += n
		c.Unreadable += n
	default:
		c.Unreadable += n
	}
}

// NewFeed makes a feed of at most size records and 32 MiB.
func NewFeed(size int) *Feed {
	return &Feed{id: rand.Text(), size: max(size, 1), index: make(map[position]*entry), now: time.Now, changed: make(chan struct{}, 1)}
}

// Append publishes records, in order. One that is held already, at the same
// position with the same bytes, is passed over: Kafka delivers at least once.
func (f *Feed) Append(records ...*Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range records {
		if old := f.index[r.position()]; old != nil && bytes.Equal(old.record.Wire, r.Wire) {
			continue
		}
		f.rev++
		e := &entry{record: r, seq: f.rev, rev: f.rev}
		f.entries = append(f.entries, e)
		f.index[r.position()] = e
		f.bytes += r.size()
		f.counts.add(r.State, 1)
		f.rate.add(1, f.now())
		for len(f.entries) > f.size || f.bytes > MaxBytes && len(f.entries) > 1 {
			f.dropOldest()
		}
	}
	f.Changed()
}

func (f *Feed) dropOldest() {
	e := f.entries[0]
	f.entries[0] = nil
	f.entries = f.entries[1:]
	f.bytes -= e.record.size()
	if f.index[e.record.position()] == e {
		delete(f.index, e.record.position())
	}
}

// Held gives the records, oldest first.
func (f *Feed) Held() []*Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	records := make([]*Record, len(f.entries))
	for i, e := range f.entries {
		records[i] = e.record
	}
	return records
}

// Replace publishes what became of records: after[i] of before[i], nothing where it is nil. One that was replaced or
// pushed out in the meantime is passed over.
func (f *Feed) Replace(before, after []*Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, old := range before {
		e := f.index[old.position()]
		if after[i] == nil || e == nil || e.record != old {
			continue
		}
		f.rev++
		e.record, e.rev = after[i], f.rev
		f.bytes += after[i].size() - old.size()
		f.counts.add(old.State, -1)
		f.counts.add(after[i].State, 1)
	}
	f.Changed()
}

// Changed tells the viewers' pages that there is something new to show, also
// where it is not a record.
func (f *Feed) Changed() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// revised is a record with its number.
type revised struct {
	*Record
	Seq, Rev uint64
}

// newest gives the last limit entries, newest first, and the feed's rev.
func (f *Feed) newest(limit int) (list []revised, rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range slices.Backward(f.entries) {
		if len(list) == limit {
			break
		}
		list = append(list, revised{e.record, e.seq, e.rev})
	}
	return list, f.rev
}

// since gives what changed after a rev, newest record first, and the feed's rev.
func (f *Feed) since(after uint64) (list []revised, rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rev == after {
		return nil, after
	}
	for _, e := range slices.Backward(f.entries) {
		if e.rev > after {
			list = append(list, revised{e.record, e.seq, e.rev})
		}
	}
	return list, f.rev
}

// older gives the entries that came before the one of seq, newest first; all of them for 0.
func (f *Feed) older(seq uint64) (list []revised, rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range slices.Backward(f.entries) {
		if seq == 0 || e.seq < seq {
			list = append(list, revised{e.record, e.seq, e.rev})
		}
	}
	return list, f.rev
}

// at gives the record of a position, nil if it is not held.
func (f *Feed) at(p position) *Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.index[p]; e != nil {
		return e.record
	}
	return nil
}

// glance is what the head of the page shows of the feed.
type glance struct {
	counts counts
	rate   float64 // records a second
	best   *Record // the newest decrypted one, else the newest; nil if there is none
	before *Record // the one that came before it
}

func (f *Feed) glance() glance {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := glance{counts: f.counts, rate: f.rate.perSecond(f.now())}
	best := len(f.entries) - 1
	for i, e := range slices.Backward(f.entries) {
		if e.record.State == StateDecrypted {
			best = i
			break
		}
	}
	if best >= 0 {
		g.best = f.entries[best].record
	}
	if best > 0 {
		g.before = f.entries[best-1].record
	}
	return g
}

func (f *Feed) held() (records, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.entries), f.bytes
}
