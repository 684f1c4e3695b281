package producer

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A run of records goes to one partition, so that they share a batch; then comes the next one.
const (
	runBytes = 64 << 10
	runTime  = 100 * time.Millisecond
)

// chooser says which partition a record goes to. A record without a key may go to any, and a sealed one names its
// own, so it has to be chosen first.
type chooser struct {
	partitions func() ([]int32, error) // those that can be written to now
	current    int32
	left       int // bytes until the next partition
	until      time.Time
}

// next gives the partition of a record of so many bytes. Partitions added to the topic are seen with the next run.
// While none can be written to, the last one stays: Kafka is waited for.
func (c *chooser) next(size int, now time.Time) int32 {
	if c.left > 0 && now.Before(c.until) {
		c.left -= size
		return c.current
	}
	first := c.until.IsZero()
	c.left, c.until = runBytes-size, now.Add(runTime)
	if all, err := c.partitions(); err == nil && len(all) > 0 {
		at := slices.Index(all, c.current) + 1
		if first { // producers that start together shall not go in step
			at = rand.IntN(len(all)) //nolint:gosec // an even spread needs no secrecy
		}
		c.current = all[at%len(all)]
	}
	return c.current
}
