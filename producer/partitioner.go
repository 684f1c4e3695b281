package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// Consecutive records without a key go to one partition until a limit is reached, so that they share a batch.
const (
	stickyBytes = 64 << 10
	stickyTime  = 100 * time.Millisecond
)

// partitioner chooses the partition of a record before it is sealed, because a sealed record names its partition. Records
// without a key go to any writable partition. Records with a key go to the partition that Kafka's Java client chooses, so
// that all records of a key stay in order.
type partitioner struct {
	writable func() ([]int32, error) // partitions that can be written to; may wait for Kafka forever
	all      func() ([]int32, error) // all partitions of the topic; the same
	onWait   func() (done func())    // called before a wait

	current   int32     // partition of the records without a key
	remaining int       // bytes until the next partition
	until     time.Time // when the next partition is due in any case

	known      []int32 // all partitions of the topic, as cached
	knownUntil time.Time
}

var errNoPartition = errors.New("choosing a partition: Kafka named none in time")

// sticky returns the partition of a record without a key. It sees new partitions when it moves to the next one. While no
// partition is writable it waits for Kafka. The only error is the end of drainCtx.
func (p *partitioner) sticky(drainCtx context.Context, size int, now time.Time) (int32, error) {
	if p.remaining > 0 && now.Before(p.until) {
		p.remaining -= size
		return p.current, nil
	}
	first := p.until.IsZero()
	writable, err := p.query(drainCtx, p.writable)
	if drainCtx.Err() != nil {
		return 0, errNoPartition
	}
	p.remaining, p.until = stickyBytes-size, now.Add(stickyTime)
	if err == nil && len(writable) > 0 {
		next := slices.Index(writable, p.current) + 1
		if first { // producers that start together must not move in step
			next = rand.IntN(len(writable)) //nolint:gosec // an even spread needs no secrecy
		}
		p.current = writable[next%len(writable)]
	}
	return p.current, nil
}

// byKey returns the partition of a key. Like Kafka's own clients, it counts all partitions, also those that cannot be
// written to now. While they are unknown it waits for Kafka, until drainCtx ends.
func (p *partitioner) byKey(drainCtx context.Context, key []byte, now time.Time) (int32, error) {
	for n := 0; p.known == nil || now.After(p.knownUntil); n++ {
		all, err := p.query(drainCtx, p.all)
		if drainCtx.Err() != nil {
			return 0, errNoPartition
		}
		if err == nil && len(all) > 0 {
			p.known, p.knownUntil = all, now.Add(stickyTime)
			break
		}
		if !sleep(drainCtx, kafkaconf.Backoff(n, maxBackoff)) {
			return 0, errNoPartition
		}
	}
	at, err := sarama.NewMurmur2Partitioner("").Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, int32(len(p.known)))
	if err != nil {
		return 0, fmt.Errorf("choosing a partition: %w", err)
	}
	return p.known[at], nil
}

// query asks for partitions until drainCtx ends.
func (p *partitioner) query(drainCtx context.Context, partitions func() ([]int32, error)) ([]int32, error) {
	defer p.onWait()()
	return await(drainCtx, partitions)
}
