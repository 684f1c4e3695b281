// Package feed holds the records that the page shows: a bounded history, with filters.
//
//	records := feed.New(1000)
//	records.Append(&feed.Record{Topic: "t", Offset: 1, State: feed.StatePlain, Stored: value})
//	selected, _ := feed.Filter{State: feed.StatePlain}.Select(records.Before(0))
//
// It knows nothing of Kafka, keys or HTML. All methods may be called concurrently, and publishing never waits for a
// reader.
package feed

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

// MaxBytes limits the size of the records that a feed holds. The newest record is always held.
const MaxBytes = 32 << 20

// Parts of the feed that junk may take, in count and in bytes.
const (
	junkPart    = 10 // a tenth
	waitingPart = 2  // a half: see [Feed.isWaiting]
)

// MaxJunkBytes limits the size of the junk among them.
const MaxJunkBytes = MaxBytes / junkPart

// Feed is a bounded history of records. Each change gets the next revision, so that a reader can ask for the changes
// since the last one it knows.
type Feed struct {
	// Now is the clock. A test may replace it before it uses the feed.
	Now func() time.Time
	// SenderRequired says that whoever has no signing key can only add junk: see [Feed.IsJunk]. Set it before the feed is
	// used.
	SenderRequired bool

	id      string
	maximum int // records

	mu      sync.Mutex
	rev     uint64
	lost    uint64   // the latest revision of the entries that left
	entries []*entry // oldest first
	index   index
	bytes   int
	counts  Counts
	rate    rate

	junk    amount // of the entries, without those that wait
	waiting amount

	changes chan struct{} // holds one signal at most
}

// amount is how much a kind of records takes.
type amount struct{ records, bytes int }

// exceeds reports whether it is more than a part of the feed.
func (a amount) exceeds(f *Feed, part int) bool {
	return a.records > max(f.maximum/part, 1) || a.bytes > MaxBytes/part
}

// entry is the place of a record in the feed. It stays when the record is replaced.
type entry struct {
	record *Record
	seq    uint64 // orders entries: see seqOf
	rev    uint64 // of the latest change
	reused bool   // another record was at its position before
}

// Entry is a record in the feed.
type Entry struct {
	*Record
	Seq    uint64 // orders entries, oldest first
	Rev    uint64 // of the latest change
	reused bool
}

func (e *entry) export() Entry { return Entry{e.record, e.seq, e.rev, e.reused} }

// IsNew reports whether the record has not changed since it was appended.
func (e Entry) IsNew() bool { return e.Seq == seqOf(e.Rev) }

// Replaces reports whether a page may show something else at the record's position: the record changed, was loaded late, or
// took another one's place.
func (e Entry) Replaces() bool { return !e.IsNew() || e.reused }

// Ref identifies an entry without its record: whoever keeps a Ref does not keep the record in memory.
type Ref struct {
	Position
	seq uint64
}

// Ref returns the entry's Ref.
func (e Entry) Ref() Ref { return Ref{e.Position(), e.Seq} }

// New makes a feed of at most maximum records and 32 MiB.
func New(maximum int) *Feed {
	return &Feed{id: rand.Text(), maximum: max(maximum, 1), index: newIndex(), Now: time.Now, changes: make(chan struct{}, 1)}
}

// ID identifies this feed. Revisions of other feeds mean nothing to it.
func (f *Feed) ID() string { return f.id }

// Append publishes records, in order. It skips a record that is held already, since Kafka delivers at least once. A
// different record at the same position, from a recreated topic, replaces the one that is held.
func (f *Feed) Append(records ...*Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.rev
	for _, r := range records {
		held, reused := f.supersede(r)
		if held {
			continue
		}
		f.rev++
		e := &entry{record: r, seq: seqOf(f.rev), rev: f.rev, reused: reused}
		f.entries = append(f.entries, e)
		f.index.add(e)
		f.account(r, 1)
		f.counts.add(r, 1)
	}
	f.rate.add(int(f.rev-before), f.Now())
	f.trim()
	f.Changed()
}

// supersede drops a different record at r's position. It returns held if r itself is there, and reused if it dropped one.
func (f *Feed) supersede(r *Record) (held, reused bool) {
	old := f.index.at(r.Position())
	switch {
	case old == nil:
		return false, false
	case old.record.same(r):
		return true, false
	}
	f.drop(slices.Index(f.entries, old))
	return false, true
}

// account adds a record to the sizes, or removes it if n is -1.
func (f *Feed) account(r *Record, n int) {
	size := n * r.Size()
	f.bytes += size
	kind := &f.junk
	switch {
	case f.isWaiting(r):
		kind = &f.waiting
	case !f.IsJunk(r):
		return
	}
	kind.records += n
	kind.bytes += size
}

// trim drops the oldest records until the feed is within its limits.
func (f *Feed) trim() {
	f.trimJunk(&f.junk, junkPart, func(r *Record) bool { return f.IsJunk(r) && !f.isWaiting(r) })
	f.trimJunk(&f.waiting, waitingPart, f.isWaiting)
	for len(f.entries) > f.maximum || f.bytes > MaxBytes && len(f.entries) > 1 {
		f.drop(0)
	}
}

// IsJunk reports whether a record is one of those that together take at most a tenth of the feed, because anyone who may
// write can add any number of them: rejected ones, and if a sender is required, copies and whatever holds no message, with
// any key. Those that wait for their header take at most a half instead.
func (f *Feed) IsJunk(r *Record) bool {
	switch r.State {
	case StateRejected:
		return true
	case StateNoKey, StateUnknownKey: // if a sender is required, that sender has signed them
		return false
	case StateDecrypted:
		return f.SenderRequired && (r.Flags.Repeat || r.Flags.Moved)
	default:
		return f.SenderRequired
	}
}

// isWaiting reports whether a record is junk that may yet turn out to be none: its header has not come, and was not looked
// for. A pod that starts while several producers write has many of them. Whoever may write can make them up, but not for
// long: the first search that finds nothing ends it.
func (f *Feed) isWaiting(r *Record) bool {
	return f.SenderRequired && r.State == StateNeedsHeader && !r.HeaderMissing
}

// trimJunk drops the oldest records of a kind until it takes at most its part of the feed: it must not push out the others.
func (f *Feed) trimJunk(kind *amount, part int, is func(*Record) bool) {
	if !kind.exceeds(f, part) {
		return
	}
	f.entries = slices.DeleteFunc(f.entries, func(e *entry) bool {
		if !is(e.record) || !kind.exceeds(f, part) {
			return false
		}
		f.forget(e)
		return true
	})
}

func (f *Feed) drop(i int) {
	e := f.entries[i]
	if i == 0 { // the usual case, without moving the others
		f.entries[0] = nil
		f.entries = f.entries[1:]
	} else {
		f.entries = slices.Delete(f.entries, i, i+1)
	}
	f.forget(e)
}

// forget removes an entry that leaves entries from the sizes and the index.
func (f *Feed) forget(e *entry) {
	f.lost = max(f.lost, e.rev)
	f.account(e.record, -1)
	f.index.remove(e)
}

// Replace publishes changed records: after[i] in place of before[i], or nothing if it is nil. It skips those that were
// replaced or dropped in the meantime.
func (f *Feed) Replace(before, after []*Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, old := range before {
		e := f.index.at(old.Position())
		if after[i] == nil || e == nil || e.record != old {
			continue
		}
		f.rev++
		e.record, e.rev = after[i], f.rev
		f.account(old, -1)
		f.account(after[i], 1)
		f.counts.add(old, -1)
		f.counts.add(after[i], 1)
	}
	f.trim() // a decrypted record is larger: it holds its ciphertext and its message
	f.Changed()
}

// Changed signals that there is something new to show, which need not be a record.
func (f *Feed) Changed() {
	select {
	case f.changes <- struct{}{}:
	default:
	}
}

// Changes receives a signal after changes.
func (f *Feed) Changes() <-chan struct{} { return f.changes }
