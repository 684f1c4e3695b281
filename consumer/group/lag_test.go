package group

import (
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
}
