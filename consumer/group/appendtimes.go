package group

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"kafka-e2ee/consumer/fetchlimit"
)

// appendTimes tell after which time records were appended. Kafka's timestamps cannot: writers choose them. But if a
// request sent at some time gave a high watermark, the record at this offset, and each one behind it, was appended later,
// or at least became readable later: a leader without enough replicas holds it back.
//
// What they tell may be too early, never too late. It stays true if a partition has another leader, loses records, or
// belongs to a recreated topic.
type appendTimes struct {
	mu          sync.Mutex
	byPartition map[int32][]watermark // sorted by offset and time
}

// watermark is where a partition ended after a time.
type watermark struct {
	offset int64
	after  time.Time
}

const (
	// maxWatermarks bounds the memory of a partition.
	maxWatermarks = 64
	// watermarkInterval is how far apart watermarks are, at least. The clocks of senders differ by more.
	watermarkInterval = time.Second
)

// note notes the high watermark in a response without an error.
func (t *appendTimes) note(f fetchlimit.FetchedPartition) {
	if f.HighWatermark < 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.byPartition[f.Partition]
	if len(all) > 0 && f.Sent.Before(all[len(all)-1].after) { // a former leader's late response
		return
	}
	kept := len(all) // the others say less than this one
	for kept > 0 && all[kept-1].offset >= f.HighWatermark {
		kept--
	}
	if kept == len(all) && kept > 0 && f.Sent.Sub(all[kept-1].after) < watermarkInterval {
		return
	}
	all = append(all[:kept], watermark{f.HighWatermark, f.Sent})
	if len(all) > maxWatermarks {
		all = everySecond(all)
	}
	if t.byPartition == nil {
		t.byPartition = make(map[int32][]watermark)
	}
	t.byPartition[f.Partition] = all
}

// everySecond keeps the first of each two watermarks. The earlier they are, the fewer remain, but always the first.
func everySecond(all []watermark) []watermark {
	kept := all[:0]
	for i := 0; i < len(all); i += 2 {
		kept = append(kept, all[i])
	}
	return kept
}

// of returns a time after which a record was appended, the zero time if none is known.
func (t *appendTimes) of(partition int32, offset int64) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.byPartition[partition]
	at, exact := slices.BinarySearchFunc(all, offset, func(w watermark, offset int64) int { return cmp.Compare(w.offset, offset) })
	if exact {
		at++
	}
	if at == 0 {
		return time.Time{}
	}
	return all[at-1].after
}
