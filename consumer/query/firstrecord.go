package query

import (
	"math"
	"slices"
	"sync"

	"github.com/IBM/sarama"
)

// FirstRecord is the result of a search for a partition's first readable record.
type FirstRecord struct {
	Found bool
	Next  int64 // if none was found: there is no record before this offset
	End   bool  // if none was found: there is none behind Next either, now
}

// FirstRecords searches for a readable record in each partition, from the given offset on. It gives up after a number
// of responses; the caller may go on from Next. The result lacks partitions that cannot be read.
func (c *Client) FirstRecords(from map[int32]int64) map[int32]FirstRecord {
	var ranges []*Range
	for partition, offset := range from {
		ranges = append(ranges, &Range{Partition: partition, Next: offset, End: math.MaxInt64})
	}
	results, mu := make(map[int32]FirstRecord), sync.Mutex{}
	byLeader, _, _ := ByLeader(c, ranges, func(r *Range) int32 { return r.Partition }) //nolint:errcheck // the caller asks again
	var brokers sync.WaitGroup
	for leader, ranges := range byLeader {
		brokers.Go(func() {
			found := make(map[int32]bool)
			const maxBytes, maxResponses = 1 << 20, 16
			for range maxResponses {
				ranges = slices.DeleteFunc(ranges, func(r *Range) bool { return r.Err != nil })
				pending := slices.DeleteFunc(slices.Clone(ranges), func(r *Range) bool { return found[r.Partition] })
				if c.Fetch(leader, pending, maxBytes, func(m *sarama.ConsumerMessage) { found[m.Partition] = true }) != nil {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range ranges {
				results[r.Partition] = FirstRecord{Found: found[r.Partition], Next: r.Next, End: r.Done}
			}
		})
	}
	brokers.Wait()
	return results
}
