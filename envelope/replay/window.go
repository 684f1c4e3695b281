package replay

import "math"

// Bounds of the table of sightings.
const (
	minSightings = 4   // first size
	maxSightings = 256 // last counters whose offsets are known
)

// window is the replay window of one data key in one partition: which counters were
// seen, and the offsets of the last ones.
type window struct {
	counterSet
	former                  *counterSet // seen in a former topic of the same name; nil if there was none
	firstOffset, lastOffset int64       // lowest and highest offset seen
	highestOffset           int64       // of the highest counter, where it was seen first
	sightings               []sighting  // hash table, indexed by counter modulo its length, a power of two
}

// sighting is where a counter was seen.
type sighting struct {
	counter     uint64
	offsetPlus1 int64 // 0 in an empty slot
}

func newWindow(counter uint64, offset int64) window {
	w := window{counterSet: counterSet{lowest: counter, highest: counter}, firstOffset: offset, lastOffset: offset, highestOffset: offset, sightings: make([]sighting, minSightings)}
	w.store(counter, offset)
	return w
}

// inNewTopic returns the window of a topic that has replaced the one of this set.
func (s *counterSet) inNewTopic() window {
	former := s.clone()
	return window{counterSet: s.clone(), former: &former, firstOffset: math.MaxInt64, lastOffset: -1, highestOffset: -1, sightings: make([]sighting, minSightings)}
}

// size returns the memory that the window takes beside its own fields, in bytes.
func (w *window) size() int {
	const each, formerSet = 16, 48
	n := each * (cap(w.sightings) + cap(w.gaps))
	if w.former != nil {
		n += formerSet + each*cap(w.former.gaps)
	}
	return n
}

// observe records a counter and its offset, and flags what is unusual about them. (The
// flags are not returned by value because copying them costs as much as the rest.)
func (w *window) observe(flags *Flags, counter uint64, offset int64) {
	again := offset <= w.lastOffset // read before, or opened only now because its key came late
	w.firstOffset, w.lastOffset = min(w.firstOffset, offset), max(w.lastOffset, offset)
	if counter > w.highest {
		flags.Missing = counter - w.highest - 1
		w.addGap(w.highest+1, counter)
		w.highest, w.highestOffset = counter, offset
		w.store(counter, offset)
		return
	}
	if seen := w.sighting(counter); seen.offsetPlus1 > 0 && seen.counter == counter {
		if seen.offsetPlus1-1 != offset {
			flags.Repeat, flags.First = true, seen.offsetPlus1-1
		}
		return
	}
	switch {
	case w.former != nil && w.former.contains(counter):
		flags.Repeat, flags.First = true, -1
		return
	case counter < w.lowest:
		w.addGap(counter+1, w.lowest)
		w.lowest = counter
	case w.fillGap(counter):
	case again: // its offset is no longer known, so it may be the same record
		return
	case counter >= w.floor:
		flags.Repeat, flags.First = true, -1
		return
	}
	w.store(counter, offset)
	flags.Late = !again
}

// store keeps a sighting, unless the table has its full size and a newer counter
// needs the slot.
func (w *window) store(counter uint64, offset int64) {
	for slot := w.sighting(counter); slot.offsetPlus1 > 0 && slot.counter != counter && len(w.sightings) < maxSightings; slot = w.sighting(counter) {
		w.grow()
	}
	if slot := w.sighting(counter); slot.offsetPlus1 == 0 || slot.counter < counter {
		*slot = sighting{counter: counter, offsetPlus1: offset + 1}
	}
}

// sighting returns the slot of a counter.
func (w *window) sighting(counter uint64) *sighting {
	return &w.sightings[counter%uint64(len(w.sightings))]
}

// grow doubles the table. Counters in different slots stay in different slots.
func (w *window) grow() {
	old := w.sightings
	w.sightings = make([]sighting, 2*len(old))
	for _, seen := range old {
		if seen.offsetPlus1 > 0 {
			*w.sighting(seen.counter) = seen
		}
	}
}
