package replay

import "time"

// SetClock replaces the clock of a tracker.
func (t *Tracker) SetClock(now func() time.Time) { t.clock = now }

// CountedBytes returns the memory that a tracker counts, after checking the count.
func (t *Tracker) CountedBytes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	var byClass [2]int
	issued := 0
	for _, p := range t.partitions {
		listed := 0
		for class := range p.order {
			inOrder := 0
			for e := p.order[class].list.Front(); e != nil; e = e.Next() {
				w := windowAt(e)
				if w.bytes != w.size() || w.element != e || int(w.class) != class || p.windows[w.key] != w {
					panic("a window is not counted with its size, or not where it belongs")
				}
				inOrder += w.bytes
				listed++
			}
			if inOrder != p.order[class].bytes {
				panic("a class of a partition does not add up to its windows")
			}
			byClass[class] += inOrder
		}
		if listed != len(p.windows) {
			panic("a window is in no order")
		}
		for _, times := range p.issued {
			issued += times.bytes
		}
	}
	if byClass != t.bytes || issued != t.issuedBytes {
		panic("the classes do not add up to the partitions")
	}
	return byClass[0] + byClass[1] + issued
}

// Breaks returns how many breaks of a partition a tracker remembers.
func (t *Tracker) Breaks(partition int32) int { return len(t.partitions[partition].breaks) }
