package envelope

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
)

// Bounds of what a tracker remembers of each data key and partition.
const (
	placesKept = 256 // last counters whose offsets are known
	spansKept  = 64  // last ranges of counters that are missing
)

// Tracker follows the counters of records that were opened, and tells repeats,
// gaps and moves; SPEC.md, section 10. It is safe for concurrent use. For each
// data key in each partition it takes about 7 KiB.
type Tracker struct {
	mu     sync.Mutex
	size   int
	tracks map[trackKey]*list.Element
	order  *list.List // of *track, the one used last in front
}

type trackKey struct {
	dataKey            string
	sealedFor, foundIn int32
}

// track is what was seen of one data key in one partition.
type track struct {
	key        trackKey
	first, top uint64 // lowest and highest counter seen
	last       int64  // highest offset seen
	floor      uint64 // below it, missing ranges were forgotten
	missing    []span // in order
	places     [placesKept]place
}

type place struct {
	counter uint64
	offset  int64
	known   bool
}

type span struct{ from, to uint64 } // both included

// Flags is what is remarkable about a record. The zero value is nothing.
type Flags struct {
	// Repeat: the same record is at another offset, too. First is that offset,
	// or -1 if it is not remembered.
	Repeat bool
	First  int64
	// Missing is how many records before this one were not seen: late, expired,
	// withheld, or never written.
	Missing uint64
	// Late: records sealed after this one were seen before it, and this one was
	// not, as far as is remembered.
	Late bool
	// Moved: it was sealed for another partition, which SealedFor is.
	Moved     bool
	SealedFor int32
	// Unbound: a JWE that names no topic; it may have been copied from another.
	Unbound bool
}

// NewTracker makes a tracker that follows so many pairs of a data key and a
// partition, at least one. The ones not seen for longest are forgotten first;
// the next record of one that was forgotten sets a new baseline.
func NewTracker(size int) *Tracker {
	return &Tracker{size: max(size, 1), tracks: make(map[trackKey]*list.Element), order: list.New()}
}

// Follow judges a record that was opened without an error, and was found at the
// partition and offset given. Call it for each partition in the order of the
// offsets. Following the same place again, as after a rebalance, gives the same
// flags as the first time or fewer, and never makes it a repeat.
func (t *Tracker) Follow(msg Message, partition int32, offset int64) Flags {
	if !msg.Counted {
		return Flags{Unbound: !msg.Bound && msg.Format != FormatRSA}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A record that was moved has a track of its own: whoever moved it must not
	// be able to disturb that of the partition it was sealed for.
	key := trackKey{msg.DataKey, msg.Partition, partition}
	var flags Flags
	if element := t.tracks[key]; element == nil {
		t.begin(key, msg.Counter, offset)
	} else {
		t.order.MoveToFront(element)
		flags = element.Value.(*track).follow(msg.Counter, offset) //nolint:errcheck,forcetypeassert // the list holds nothing else
	}
	if msg.Partition != partition {
		flags.Moved, flags.SealedFor = true, msg.Partition
	}
	return flags
}

func (t *Tracker) begin(key trackKey, counter uint64, offset int64) {
	if t.order.Len() >= t.size {
		oldest := t.order.Remove(t.order.Back())
		delete(t.tracks, oldest.(*track).key) //nolint:errcheck,forcetypeassert // the list holds nothing else
	}
	k := &track{key: key, first: counter, top: counter, last: offset}
	k.remember(counter, offset)
	t.tracks[key] = t.order.PushFront(k)
}

func (k *track) follow(counter uint64, offset int64) Flags {
	again := offset <= k.last // read before, or opened only now, when its key came
	k.last = max(k.last, offset)
	if counter > k.top {
		missing := counter - k.top - 1
		k.miss(k.top+1, counter)
		k.top = counter
		k.remember(counter, offset)
		return Flags{Missing: missing}
	}
	if at := k.places[counter%placesKept]; at.known && at.counter == counter {
		if at.offset == offset {
			return Flags{}
		}
		return Flags{Repeat: true, First: at.offset}
	}
	switch {
	case counter < k.first:
		k.miss(counter+1, k.first)
		k.first = counter
	case k.found(counter):
	case again: // whether it is the same one, nobody remembers
		return Flags{}
	case counter >= k.floor:
		return Flags{Repeat: true, First: -1}
	}
	k.remember(counter, offset)
	return Flags{Late: !again}
}

// remember keeps where a counter was seen, unless a newer one needs the room.
func (k *track) remember(counter uint64, offset int64) {
	if at := &k.places[counter%placesKept]; !at.known || at.counter < counter {
		*at = place{counter: counter, offset: offset, known: true}
	}
}

// miss notes that the counters from one to before another were not seen.
func (k *track) miss(from, before uint64) {
	if from == before {
		return
	}
	gap := span{from, before - 1}
	at, _ := slices.BinarySearchFunc(k.missing, gap, func(a, b span) int {
		if a.from < b.from {
			return -1
		}
		return 1
	})
	k.missing = slices.Insert(k.missing, at, gap)
	k.forget()
}

// found takes a counter out of those that are missing, if it is.
func (k *track) found(counter uint64) bool {
	for i, gap := range k.missing {
		if counter < gap.from || counter > gap.to {
			continue
		}
		var parts []span
		if gap.from < counter {
			parts = append(parts, span{gap.from, counter - 1})
		}
		if counter < gap.to {
			parts = append(parts, span{counter + 1, gap.to})
		}
		k.missing = slices.Replace(k.missing, i, i+1, parts...)
		k.forget()
		return true
	}
	return false
}

// forget drops the lowest range where there are too many.
func (k *track) forget() {
	if len(k.missing) > spansKept {
		k.floor = max(k.floor, k.missing[0].to+1)
		k.missing = slices.Delete(k.missing, 0, 1)
	}
}

// String lists the flags in words, for logs and command lines.
func (f Flags) String() string {
	text := ""
	add := func(set bool, format string, values ...any) {
		if set {
			text += ", " + fmt.Sprintf(format, values...)
		}
	}
	add(f.Repeat && f.First >= 0, "repeat of offset %d", f.First)
	add(f.Repeat && f.First < 0, "repeat")
	add(f.Missing > 0, "%d missing before it", f.Missing)
	add(f.Late, "late")
	add(f.Moved, "moved from partition %d", f.SealedFor)
	add(f.Unbound, "not bound to a topic")
	if text == "" {
		return "none"
	}
	return text[2:]
}
