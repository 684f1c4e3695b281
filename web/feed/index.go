package feed

// index finds the entry at a position. Each partition has a map of its own, because an offset is much cheaper to hash
// than a Position. Records come and go in runs of one partition, so it keeps the map that it used last at hand.
type index struct {
	byPartition map[place]offsets
	spare       offsets // the map of a partition whose last entry was removed

	last        place
	lastOffsets offsets // nil: look into byPartition
}

// place is a Position without its offset.
type place struct {
	topic     string
	partition int32
}

type offsets map[int64]*entry

func newIndex() index { return index{byPartition: make(map[place]offsets)} }

// of returns the entries of a partition, nil if there are none.
func (x *index) of(p place) offsets {
	if x.lastOffsets == nil || x.last != p {
		x.last, x.lastOffsets = p, x.byPartition[p]
	}
	return x.lastOffsets
}

// at returns the entry at a position, nil if there is none.
func (x *index) at(p Position) *entry { return x.of(place{p.Topic, p.Partition})[p.Offset] }

// add adds an entry, whose position must be free.
func (x *index) add(e *entry) {
	p := place{e.record.Topic, e.record.Partition}
	entries := x.of(p)
	if entries == nil {
		if entries, x.spare = x.spare, nil; entries == nil {
			entries = make(offsets)
		}
		x.byPartition[p], x.lastOffsets = entries, entries
	}
	entries[e.record.Offset] = e
}

// remove removes an entry.
func (x *index) remove(e *entry) {
	p := place{e.record.Topic, e.record.Partition}
	entries := x.of(p)
	if delete(entries, e.record.Offset); len(entries) == 0 {
		delete(x.byPartition, p)
		x.spare, x.lastOffsets = entries, nil
	}
}
