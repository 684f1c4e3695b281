package group

import (
	"maps"
	"slices"
	"testing"

	"kafka-e2ee/consumer/query"
)

// Without it the lag would stay above 0 although there is nothing left to read, or be 0 although there is.
func TestLagSkipsOffsetsWithoutRecords(t *testing.T) {
	m := newMember(t)
	l, end := newLags(m, nil), int64(10)
	m.assignment.startSession([]int32{0}, 1)
	lag := func(want int64) {
		t.Helper()
		if got := m.assignment.status().Assignment.Lag; got != want {
			t.Errorf("lag %d, want %d", got, want)
		}
	}
	l.start(0, 4, func() int64 { return end })
	lag(6)
	l.advance(0, 9)
	lag(1) // it may be a record or a marker
	if len(l.stalled()) > 0 {
		t.Error("asked about a partition that moves")
	}
	queried := l.stalled()
	if queried[0] != (lagPosition{9, 10}) || len(l.stalled()) > 0 {
		t.Errorf("queried: %v, and again", queried)
	}
	l.apply(t.Context(), queried, map[int32]query.FirstRecord{})
	lag(1) // the broker did not answer
	if queried = l.stalled(); queried[0] != (lagPosition{9, 10}) {
		t.Errorf("not asked again: %v", queried)
	}
	l.apply(t.Context(), queried, map[int32]query.FirstRecord{0: {Found: true}})
	lag(1) // there is a record
	l.apply(t.Context(), queried, map[int32]query.FirstRecord{0: {Next: 9, End: true}})
	lag(0)
	end = 13
	l.advance(0, 11)
	lag(2)
	l.start(1, -2, func() int64 { return 5 }) // nothing was committed
	if l.stalled(); len(l.stalled()) != 1 {
		t.Error("asked about a partition without a position")
	}
	if got := l.withoutPosition(); !slices.Equal(got, []int32{1}) {
		t.Errorf("partitions without a position: %v", got)
	}
}

// Without it the lag of an empty topic would stay unknown, and the alert for that would fire although all is well.
func TestLagOfAnEmptyPartition(t *testing.T) {
	m := newMember(t)
	l := newLags(m, nil)
	m.assignment.startSession([]int32{0, 1}, 2)
	reported := recordedLag{}
	m.cfg.Metrics = reported
	l.start(0, -2, func() int64 { return 7 })
	l.start(1, -2, func() int64 { return 12 })
	l.advance(1, 9) // its first record came before the answer
	l.setPositions(t.Context(), map[int32]int64{0: 7, 1: 5})
	if want := (recordedLag{0: 0, 1: 3}); !maps.Equal(reported, want) || len(l.withoutPosition()) > 0 {
		t.Errorf("the lag is %v, want %v; without a position: %v", reported, want, l.withoutPosition())
	}
}

type recordedLag map[int32]int64

func (r recordedLag) SetLag(partition int32, records int64) { r[partition] = records }
func (r recordedLag) DropLag(partition int32)               { delete(r, partition) }
