package producer

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Without it batches would hold one record each, partitions would stay empty, or an added or lost partition would stop the
// producer.
func TestSticky(t *testing.T) {
	t.Parallel()
	all, broken := []int32{0, 1, 2}, error(nil)
	p := &partitioner{writable: func() ([]int32, error) { return all, broken }, onWait: ignoreWait}
	next := func(size int, now time.Time) int32 {
		at, err := p.sticky(t.Context(), size, now)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	now := time.Now()
	runs := func(records, size int) (seen map[int32]int, changes int) {
		seen = make(map[int32]int)
		for last, i := int32(-1), 0; i < records; i++ {
			at := next(size, now)
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
	before := next(10, now)
	now = now.Add(time.Second)
	if next(10, now) == before {
		t.Error("a run never ends while there is little to send")
	}
	all = []int32{2}
	now = now.Add(time.Second)
	if got := next(10, now); got != 2 {
		t.Errorf("partition %d cannot be written to", got)
	}
	all, broken = nil, errors.New("no leaders")
	now = now.Add(time.Second)
	if got := next(10, now); got != 2 {
		t.Errorf("got partition %d while none is known", got)
	}
}

func ignoreWait() func() { return func() {} }

// Without it records of one key would go to another partition than those of other clients, and out of order. The hashes are
// from org.apache.kafka.common.utils.Utils.murmur2 of Kafka's own client, which then applies & 0x7fffffff and the remainder
// of the division by the number of partitions.
func TestKeyChoosesItsPartition(t *testing.T) {
	t.Parallel()
	hashes := map[string]uint32{"foo": 597841616, "bar": 988958145, "baz": 1973573280, "": 275646681, "kafka": 3496464228, "sarama": 770765511}
	for _, n := range []int32{1, 3, 12, 50} {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		p := &partitioner{all: func() ([]int32, error) { return all, nil }, onWait: ignoreWait}
		for key, hash := range hashes {
			want := int32(hash&0x7fffffff) % n
			if got, err := p.byKey(t.Context(), []byte(key), time.Now()); err != nil || got != want {
				t.Errorf("%q of %d partitions: got %d, want %d, %v", key, n, got, want, err)
			}
		}
	}
}

// Without it a record with a key would go to a wrong partition while the number of partitions is unknown.
func TestKeyWaitsForPartitions(t *testing.T) {
	t.Parallel()
	queries := 0
	p := &partitioner{onWait: ignoreWait, all: func() ([]int32, error) {
		if queries++; queries < 3 {
			return nil, errors.New("no brokers")
		}
		return []int32{0, 1, 2}, nil
	}}
	if got, err := p.byKey(t.Context(), []byte("foo"), time.Now()); err != nil || got != 597841616%3 || queries != 3 {
		t.Errorf("partition %d after %d queries, %v", got, queries, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p = &partitioner{onWait: ignoreWait, all: func() ([]int32, error) { select {} }, writable: func() ([]int32, error) { select {} }}
	if _, err := p.byKey(ended, []byte("foo"), time.Now()); !errors.Is(err, errNoPartition) {
		t.Errorf("with a key: %v", err)
	}
	if _, err := p.sticky(ended, 1, time.Now()); !errors.Is(err, errNoPartition) {
		t.Errorf("without a key: %v", err)
	}
}
