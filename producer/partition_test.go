package producer

import (
	"errors"
	"testing"
	"time"
)

// Without it batches hold one record each, partitions stay empty, or one that is added or lost stops the producer.
func TestChooser(t *testing.T) {
	t.Parallel()
	all, broken := []int32{0, 1, 2}, error(nil)
	c := &chooser{partitions: func() ([]int32, error) { return all, broken }}
	now := time.Now()
	runs := func(records, size int) (seen map[int32]int, changes int) {
		seen = make(map[int32]int)
		for last, i := int32(-1), 0; i < records; i++ {
			at := c.next(size, now)
			seen[at]++
			if at != last {
				changes++
			}
			last = at
		}
		return seen, changes
	}
	seen, changes := runs(6000, 1<<10)
	if len(seen) != 3 || changes < 6000/64-2 || changes > 6000/64+2 {
		t.Errorf("%d changes between %v", changes, seen)
	}
	for at, n := range seen {
		if n < 1900 || n > 2100 {
			t.Errorf("partition %d got %d of 6000 records", at, n)
		}
	}
	all = []int32{0, 1, 2, 3}
	if seen, _ := runs(600, 1<<10); seen[3] == 0 {
		t.Error("a partition that was added gets nothing")
	}
	// One message a second: each goes on to the next partition.
	before := c.next(10, now)
	now = now.Add(time.Second)
	if c.next(10, now) == before {
		t.Error("a run never ends while there is little to send")
	}
	all = []int32{2}
	now = now.Add(time.Second)
	if got := c.next(10, now); got != 2 {
		t.Errorf("partition %d cannot be written to", got)
	}
	all, broken = nil, errors.New("no leaders")
	now = now.Add(time.Second)
	if got := c.next(10, now); got != 2 {
		t.Errorf("got partition %d while none is known", got)
	}
}
