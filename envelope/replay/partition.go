package replay

import (
	"container/list"
	"math"
	"slices"

	"kafka-e2ee/envelope"
)

// maxBreaks is how many breaks a partition remembers.
const maxBreaks = 64

// followedPartition is what a tracker knows of one partition. Times are in seconds, as
// in the header.
type followedPartition struct {
	started bool
	since   int64   // when following began, or continued after a break
	next    int64   // the offset behind the last record followed
	breaks  []int64 // offsets before which another member read, sorted
	revoked bool    // another member may read behind next
	evicted int64   // no evicted data key of a verified sender expires later

	rewound      bool
	from, behind int64 // the offsets to follow again, if rewound: from the first to before the second

	windows map[windowKey]*trackedWindow
	last    *trackedWindow // found; usually the next one again
	order   [2]windowOrder // of the trust classes
	issued  map[issuer]*issueTimes
}

type windowKey struct {
	dataKey   string
	sealedFor int32
}

// reach notes that the record at an offset is followed, and reports whether following
// begins or continues with it.
func (p *followedPartition) reach(offset int64) (begins bool) {
	away := p.revoked && offset > p.next
	if away {
		p.addBreak(offset)
	}
	begins = away || !p.started
	p.started = true
	if offset >= p.next {
		p.next, p.revoked = offset+1, false
	}
	return begins
}

func (p *followedPartition) addBreak(offset int64) {
	p.breaks = append(p.breaks, offset)
	if len(p.breaks) > maxBreaks {
		p.breaks = slices.Delete(p.breaks, 0, 1)
	}
}

// window returns the window of a data key, or nil.
func (p *followedPartition) window(key windowKey) *trackedWindow {
	if p.last == nil || p.last.key != key { // comparing is cheaper than hashing
		p.last = p.windows[key]
	}
	return p.last
}

// times returns the issue times of a sender, or nil. The window, if it is not nil,
// remembers them for the next record.
func (p *followedPartition) times(w *trackedWindow, by issuer) *issueTimes {
	if w == nil {
		return p.issued[by]
	}
	if w.times == nil || w.times.by != by || w.times.forgotten {
		w.times = p.issued[by]
	}
	return w.times
}

// rewind prepares for following the offsets up to now again, without a break. If there was one behind the first of them,
// what another member has read may end there.
func (p *followedPartition) rewind(from int64) {
	p.rewound, p.from, p.behind = true, from, p.next
	if at, known := slices.BinarySearch(p.breaks, from); known {
		p.breaks = p.breaks[:at+1]
	} else if at < len(p.breaks) {
		p.breaks = append(p.breaks[:at], from)
	}
}

// startTopic prepares for following a new topic of the same name from its first offset.
func (p *followedPartition) startTopic() {
	for _, w := range p.windows {
		missed := p.revoked || p.broken(w.highestOffset, math.MaxInt64)
		w.window, w.again = w.inNewTopic(), nil
		if missed {
			w.highestOffset-- // to before the break
		}
	}
	p.started, p.next, p.breaks, p.revoked, p.rewound = false, 0, []int64{-1}, true, false
	for _, times := range p.issued {
		times.startTopic()
	}
}

// broken reports whether there may be a break behind an offset, up to a later one.
func (p *followedPartition) broken(behind, upTo int64) bool {
	if len(p.breaks) == maxBreaks && behind < p.breaks[0] { // earlier ones may be forgotten
		return true
	}
	at, _ := slices.BinarySearch(p.breaks, behind+1)
	return at < len(p.breaks) && p.breaks[at] <= upTo
}

// begin flags the first record seen of a data key of a verified sender.
func (p *followedPartition) begin(flags *Flags, msg *envelope.Message) {
	switch {
	case msg.Expires.Unix() <= p.evicted:
		flags.Unfollowed = true
	case msg.IssuedAt.Unix() > p.since+clockSkew: // so all of its records come behind the first one followed
		flags.Missing = msg.Counter
	default:
		flags.Unfollowed = msg.Counter > 0
	}
}

// trackedWindow is a replay window with its place in the eviction order.
type trackedWindow struct {
	window
	again   *window // of the records followed again after rewinding; nil otherwise
	key     windowKey
	times   *issueTimes // of the sender of the last record
	in      *followedPartition
	class   trustClass
	expires int64 // when its data key expires
	bytes   int   // counted for it
	element *list.Element
}

// size returns the memory that the window takes, in bytes, with its place in the map
// and the list.
func (w *trackedWindow) size() int {
	const fixed, again = 400, 128
	n := fixed + len(w.key.dataKey) + w.window.size()
	if w.again != nil {
		n += again + w.again.size()
	}
	return n
}

// follow is observe, with what is known about the partition.
func (w *trackedWindow) follow(flags *Flags, msg *envelope.Message, offset int64) {
	highest := w.highestOffset
	w.observe(flags, msg.Counter, offset)
	if w.in.rewound {
		w.followAgain(flags, msg, offset)
	} else if flags.Missing > 0 && w.in.broken(highest, offset) { // another member may have seen them
		flags.Missing, flags.Unfollowed = 0, true
	}
}

// followAgain changes the flags to those that the record would have got if the records
// since rewinding were the first ones, unless it repeats one from before them.
func (w *trackedWindow) followAgain(flags *Flags, msg *envelope.Message, offset int64) {
	if flags.Repeat && flags.First < w.in.from {
		return
	}
	*flags = Flags{}
	switch {
	case w.again != nil:
	case w.former != nil:
		again := w.former.inNewTopic()
		w.again = &again
	default:
		again := newWindow(msg.Counter, offset)
		w.again = &again
		if w.class == classVerified && offset <= w.firstOffset {
			w.in.begin(flags, msg)
		}
		return
	}
	w.again.observe(flags, msg.Counter, offset)
}

// trustClass is how far the sender of a window's records is trusted.
type trustClass int

const (
	classOthers   trustClass = iota // anyone can make such records
	classVerified                   // only a verified sender can
)

// windowOrder holds the windows of one class in one partition. The last is evicted first.
type windowOrder struct {
	bytes int
	list  list.List // of *trackedWindow
}

// place puts a window where it belongs: of verified senders, the one that expires last
// comes first; of others, whose times prove nothing, the one used last.
func (o *windowOrder) place(w *trackedWindow) {
	at := o.list.Front()
	for at != nil && w.class == classVerified && windowAt(at).expires > w.expires {
		at = at.Next()
	}
	if at == nil {
		w.element = o.list.PushBack(w)
	} else {
		w.element = o.list.InsertBefore(w, at)
	}
}

// last returns the window to evict first that is not the one in use, or nil.
func (o *windowOrder) last(used *trackedWindow) *trackedWindow {
	at := o.list.Back()
	if at != nil && windowAt(at) == used {
		at = at.Prev()
	}
	if at == nil {
		return nil
	}
	return windowAt(at)
}

func windowAt(e *list.Element) *trackedWindow {
	return e.Value.(*trackedWindow) //nolint:errcheck,forcetypeassert // the list holds nothing else
}
