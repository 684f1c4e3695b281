package feed

import (
	"slices"
	"time"
)

// Records returns the records, oldest first.
func (f *Feed) Records() []*Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	records := make([]*Record, len(f.entries))
	for i, e := range f.entries {
		records[i] = e.record
	}
	return records
}

// Size returns how many records are held, and their size in bytes.
func (f *Feed) Size() (records, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.entries), f.bytes
}

// Rev returns the revision of the latest change.
func (f *Feed) Rev() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev
}

// Since returns the entries that changed after a revision, newest first, and the latest revision.
func (f *Feed) Since(after uint64) (list []Entry, rev uint64) {
	if f.Rev() == after {
		return nil, after // the usual case, without a look at every entry
	}
	return f.list(func(e *entry) bool { return e.rev > after })
}

// Before returns the entries older than the one with a Seq, or all if it is 0, newest first, and the latest revision.
func (f *Feed) Before(seq uint64) (list []Entry, rev uint64) {
	return f.list(func(e *entry) bool { return seq == 0 || e.seq < seq })
}

func (f *Feed) list(selected func(*entry) bool) (list []Entry, rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range slices.Backward(f.entries) {
		if selected(e) {
			list = append(list, e.export())
		}
	}
	return list, f.rev
}

// LostSince reports whether a record that changed after a revision has left the feed, so that [Feed.Since] cannot return it.
func (f *Feed) LostSince(after uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost > after
}

// At returns the record at a position, nil if none is held.
func (f *Feed) At(p Position) *Record {
	e, _ := f.Find(p)
	return e.Record
}

// Find returns the entry at a position, if one is held.
func (f *Feed) Find(p Position) (Entry, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.index.at(p)
	if e == nil {
		return Entry{}, false
	}
	return e.export(), true
}

// Get returns an entry as it is now, if it is still held.
func (f *Feed) Get(ref Ref) (Entry, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.index.at(ref.Position)
	if e == nil || e.seq != ref.seq {
		return Entry{}, false
	}
	return e.export(), true
}

// Counts are the totals since the start, by the present state of the records. Each record counts once. They do not shrink
// when records leave the feed.
type Counts struct {
	Decrypted, Locked, Failed, Plain, Tombstones, Rejected int

	problems [problemCount]int // a record counts once for each that it has
}

// Of returns how many records had a problem.
func (c Counts) Of(p Problem) int {
	all := problems()
	return c.problems[slices.Index(all[:], p)]
}

func (c *Counts) add(r *Record, n int) {
	if !r.isFaultless() {
		for i, p := range problems() {
			if r.Has(p) {
				c.problems[i] += n
			}
		}
	}
	switch r.State {
	case StateDecrypted:
		c.Decrypted += n
	case StatePlain:
		c.Plain += n
	case StateNoKey, StateUnknownKey:
		c.Locked += n
	case StateTombstone:
		c.Tombstones += n
	case StateRejected:
		c.Rejected += n
	default:
		c.Failed += n
	}
}

// Summary is the state of the feed at one moment.
type Summary struct {
	At     time.Time
	Counts Counts
	Rate   float64 // records a second
	Empty  bool    // no record is held
	Sample *Record // see Summary; nil if there is none
	Before *Record // the record before Sample, unless it was rejected; nil if there is none
}

// Summary returns the present state of the feed. Its sample is the newest decrypted record, else the newest with a value,
// else the newest that was not rejected. With preferVerified, a record of a verified sender comes before all others.
func (f *Feed) Summary(preferVerified bool) Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.Now()
	s := Summary{At: now, Counts: f.counts, Rate: f.rate.perSecond(now), Empty: len(f.entries) == 0}
	best := 0
	for i, e := range slices.Backward(f.entries) {
		rank := sampleRank(e.record, preferVerified)
		if rank <= best {
			continue
		}
		best, s.Sample, s.Before = rank, e.record, nil
		if i > 0 && f.entries[i-1].record.State != StateRejected {
			s.Before = f.entries[i-1].record
		}
		if rank == bestSample {
			break
		}
	}
	return s
}

// bestSample is the highest rank of a sample.
const bestSample = 4

// sampleRank says how much a record shows: 0 is nothing.
func sampleRank(r *Record, preferVerified bool) int {
	switch {
	case r.State == StateRejected:
		return 0
	case r.State == StateTombstone:
		return 1
	case r.State != StateDecrypted:
		return 2
	case preferVerified && r.Sender.State != SenderVerified:
		return 3
	default:
		return bestSample
	}
}
