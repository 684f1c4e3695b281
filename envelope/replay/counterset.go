package replay

import (
	"cmp"
	"slices"
)

// maxGaps is how many ranges of missing counters a set remembers.
const maxGaps = 64

// counterSet is a set of counters: all from lowest to highest except the gaps.
type counterSet struct {
	lowest, highest uint64
	floor           uint64 // gaps below this counter were forgotten
	gaps            []gap  // sorted
}

// gap is a range of counters not in the set, both ends included.
type gap struct{ from, to uint64 }

func (s *counterSet) clone() counterSet {
	c := *s
	c.gaps = slices.Clone(s.gaps)
	return c
}

// contains reports whether the counter is certainly in the set.
func (s *counterSet) contains(counter uint64) bool {
	return max(s.lowest, s.floor) <= counter && counter <= s.highest && s.gapOf(counter) < 0
}

// gapOf returns the index of the gap that holds a counter, or -1.
func (s *counterSet) gapOf(counter uint64) int {
	return slices.IndexFunc(s.gaps, func(g gap) bool { return g.from <= counter && counter <= g.to })
}

// addGap records that the counters from one to before another were not seen.
func (s *counterSet) addGap(from, before uint64) {
	if from == before {
		return
	}
	at, _ := slices.BinarySearchFunc(s.gaps, from, func(g gap, from uint64) int { return cmp.Compare(g.from, from) })
	s.gaps = slices.Insert(s.gaps, at, gap{from, before - 1})
	s.limitGaps()
}

// fillGap removes a counter from the gaps and reports whether it was in one.
func (s *counterSet) fillGap(counter uint64) bool {
	i := s.gapOf(counter)
	if i < 0 {
		return false
	}
	var parts []gap
	if from := s.gaps[i].from; from < counter {
		parts = append(parts, gap{from, counter - 1})
	}
	if to := s.gaps[i].to; counter < to {
		parts = append(parts, gap{counter + 1, to})
	}
	s.gaps = slices.Replace(s.gaps, i, i+1, parts...)
	s.limitGaps()
	return true
}

// limitGaps forgets the lowest gap if there are too many.
func (s *counterSet) limitGaps() {
	if len(s.gaps) > maxGaps {
		s.floor = max(s.floor, s.gaps[0].to+1)
		s.gaps = slices.Delete(s.gaps, 0, 1)
	}
}
