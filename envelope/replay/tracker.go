// Package replay follows the counters and times of opened records. It tells which
// records are repeated, missing, moved, or older than they should be; SPEC.md of the
// package envelope, section 10, has the rules.
//
// A reader makes one tracker for a topic, and follows what it has opened:
//
//	tracker := replay.NewTracker(replay.Config{Require: requirements})
//	msg, err := opener.Open(nil, "t", value)
//	flags, err := tracker.Follow(&msg, replay.Position{Partition: 0, Offset: 7})
//
// It does not protect against a broker that withholds everything from some point on,
// or whoever sets the reader's clock.
package replay

import (
	"cmp"
	"math"
	"sync"
	"time"

	"kafka-e2ee/envelope"
)

const (
	clockSkew   = 5 * 60       // how many seconds the clocks of senders and readers may differ
	maxLifetime = 24 * 60 * 60 // of a data key, in seconds
)

// defaultBytes holds 1400 full replay windows, or 17000 nearly empty ones.
const defaultBytes = 8 << 20

// Config configures a tracker.
type Config struct {
	// Bytes is about how much memory the tracker takes at most; 8 MiB if 0.
	Bytes int
	// Require is what the opener requires, too. If Fresh is set, the tracker rejects
	// stale records. It does not look at the rest.
	Require envelope.Requirements
	// Mirror means that another program copies the records from the topic that they
	// were sealed for: late, perhaps twice, and perhaps to other partitions.
	Mirror bool
}

// Position is where and when a record was read.
type Position struct {
	Partition int32
	Offset    int64
	// AppendedAfter is a time after which the record was certainly appended, or zero:
	// the time before a fetch was sent whose response had a high watermark of at most
	// Offset. With it, a replay shows even if nothing newer was seen. Keep it with a
	// record whose key comes late.
	AppendedAfter time.Time
}

// Tracker follows the records of one topic. It is safe for concurrent use, and one
// tracker serves any number of partitions. The zero value is a tracker of the zero
// [Config].
//
// For each data key in each partition it keeps a replay window of 0.5 to 6 KiB, for a
// time up to 12 KiB after Rewind or TopicRecreated; for each verified sender in each
// partition, up to 1 KiB about the times of data keys. All of this counts towards the
// limit. At most 1 KiB for each partition does not.
//
// When the memory is full, the tracker evicts replay windows of the partition that takes
// the most, so that a flood in one partition costs the others nothing. Windows of verified
// senders are evicted only if they take more than three quarters of the memory, so that
// nobody else can evict them: first those whose data key expires first. Of other windows,
// the one used least recently comes first. If a data key of a verified sender returns
// after its window was evicted, its first record is flagged as unfollowed. The times take
// at most a quarter; beyond that, those of the sender and partition whose latest data
// key is the earliest are forgotten.
type Tracker struct {
	limit  int // see maxBytes
	fresh  bool
	mirror bool
	clock  func() time.Time // time.Now if nil

	mu          sync.Mutex
	scattered   bool // a mirror's records are in other partitions than they were sealed for
	partitions  map[int32]*followedPartition
	bytes       [2]int // of the windows, by trust class
	issuedBytes int    // of the issue times
}

// NewTracker returns a tracker that has seen nothing.
func NewTracker(cfg Config) *Tracker {
	return &Tracker{
		limit: max(cfg.Bytes, 0), fresh: cfg.Require.Fresh, mirror: cfg.Mirror,
	}
}

func (t *Tracker) maxBytes() int { return cmp.Or(t.limit, defaultBytes) }

// Follow returns the flags of a record that was opened without an error. Call it for
// each partition in the order of offsets. Following the same record again, for example
// after a rebalance, gives the same flags as the first time or fewer, and does not flag a
// repeat. (If its window was evicted in the meantime, it may also be unfollowed.)
//
// If fresh records are required, Follow rejects a stale one, and one whose sender is not
// verified, with an [*envelope.RejectedError]. It then overwrites msg.Plaintext with zeros
// and sets it to nil.
func (t *Tracker) Follow(msg *envelope.Message, pos Position) (flags Flags, err error) {
	if msg.Counted {
		t.follow(&flags, msg, pos)
	} else {
		t.check(&flags, msg, pos)
	}
	return flags, t.require(msg, flags.Stale)
}

// Check is Follow without following: it returns only the flags that other records do not
// change. Use it for a record that cannot be followed in order: of a former topic, or
// while older ones are still to be loaded.
func (t *Tracker) Check(msg *envelope.Message, pos Position) (flags Flags, err error) {
	t.check(&flags, msg, pos)
	return flags, t.require(msg, flags.Stale)
}

func (t *Tracker) check(flags *Flags, msg *envelope.Message, pos Position) {
	flags.Unbound = !msg.Bound && msg.Format != envelope.FormatRSA
	if msg.Counted {
		flags.Stale = t.appendedLate(msg, pos)
		t.flagMoved(flags, msg, pos)
	}
}

func (t *Tracker) flagMoved(flags *Flags, msg *envelope.Message, pos Position) {
	if msg.Partition != pos.Partition && !t.mirror {
		flags.Moved, flags.SealedFor = true, msg.Partition
	}
}

var errStale = &envelope.RejectedError{Reason: envelope.RejectStale}

// require returns an error if fresh records are required, unless a verified sender has
// dated the record and it is not stale. It then clears the plaintext.
func (t *Tracker) require(msg *envelope.Message, stale bool) (err error) {
	switch {
	case !t.fresh:
	case msg.Sender.State != envelope.SenderVerified:
		err = &envelope.RejectedError{Reason: envelope.RejectSender, Sender: msg.Sender.Reason}
	case stale || msg.Expires.IsZero():
		err = errStale
	}
	if err != nil {
		clear(msg.Plaintext)
		msg.Plaintext = nil
	}
	return err
}

func (t *Tracker) now() int64 {
	if t.clock == nil {
		return time.Now().Unix()
	}
	return t.clock().Unix()
}

// follow sets the flags of a record with a counter.
func (t *Tracker) follow(flags *Flags, msg *envelope.Message, pos Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.partition(pos.Partition)
	if p.reach(pos.Offset) {
		p.since = t.now()
	}
	if p.rewound && pos.Offset >= p.behind {
		t.endRewind(p)
	}
	moved := msg.Partition != pos.Partition
	// Anybody can move a record, so moved ones have windows of their own, and take no
	// memory from those of verified senders.
	class := classOthers
	if msg.Sender.State == envelope.SenderVerified && (!moved || t.mirror) {
		class = classVerified
	}

	key := windowKey{msg.DataKey, msg.Partition}
	w := p.window(key)
	stale := t.followTimes(p, w, msg, pos, class)
	switch {
	case w != nil:
		w.follow(flags, msg, pos.Offset)
		t.use(w, max(class, w.class), msg) // another holder of the data key cannot lower its class
	case !stale: // otherwise its data key has expired: there is nothing more to follow
		w = &trackedWindow{window: newWindow(msg.Counter, pos.Offset), key: key, in: p}
		if class == classVerified {
			p.begin(flags, msg)
		}
		if p.rewound {
			again := newWindow(msg.Counter, pos.Offset)
			w.again = &again
		}
		p.windows[key] = w
		t.use(w, class, msg)
	}
	flags.Stale = stale
	if t.mirror {
		t.scattered = t.scattered || moved
		if t.scattered { // the others may be in another partition
			flags.Missing, flags.Late, flags.Unfollowed = 0, false, false
		}
	}
	t.flagMoved(flags, msg, pos)
}

// partition returns what is known of a partition.
func (t *Tracker) partition(id int32) *followedPartition {
	p := t.partitions[id]
	if p == nil {
		if t.partitions == nil {
			t.partitions = make(map[int32]*followedPartition)
		}
		p = &followedPartition{evicted: math.MinInt64, windows: make(map[windowKey]*trackedWindow), issued: make(map[issuer]*issueTimes)}
		t.partitions[id] = p
	}
	return p
}

// appendedLate reports whether a record was appended after its data key had expired, as
// far as its position tells.
func (t *Tracker) appendedLate(msg *envelope.Message, pos Position) bool {
	return !t.mirror && !pos.AppendedAfter.IsZero() && !msg.Expires.IsZero() && pos.AppendedAfter.Unix() > msg.Expires.Unix()+clockSkew
}

// followTimes reports whether a record is stale, and if not, notes when its data key was
// first used.
func (t *Tracker) followTimes(p *followedPartition, w *trackedWindow, msg *envelope.Message, pos Position, class trustClass) (stale bool) {
	if t.appendedLate(msg, pos) {
		return true
	}
	if msg.Expires.IsZero() || msg.Sender.State != envelope.SenderVerified {
		return false
	}
	arrived := msg.Expires.Unix() + clockSkew // at the latest
	by := issuer{msg.Sender.Name, pos.Partition}
	if by.name == "" {
		by.name = msg.Sender.KeyID
	}
	if t.mirror {
		by.sealedFor = msg.Partition // each original partition can be behind by another time
	}
	times, issued, latest := p.times(w, by), msg.IssuedAt.Unix(), int64(never)
	if times != nil {
		if latest = times.upTo(pos.Offset - 1); latest > arrived {
			return true
		}
	}
	if issued > latest && class == classVerified && (times == nil || issued > times.upTo(pos.Offset)) && issued <= t.now()+clockSkew {
		if times == nil {
			times = &issueTimes{by: by}
			p.issued[by] = times
		}
		times.add(pos.Offset, issued)
		t.countTimes(times)
	}
	return false
}
