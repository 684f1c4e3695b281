package group

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
)

// The number of records in a batch adapts. If each record takes a private-key operation, batches are small, so that the
// page does not wait. If records are fast, batches are large.
const (
	FirstBatchSize = 64 // for [NextBatchSize]
	maxBatch       = 1024
	maxBatchBytes  = 1 << 20
	targetLatency  = 200 * time.Millisecond
)

// queue collects the next batch of a claim while the last one is decrypted, so that Kafka sends more in the meantime.
type queue struct {
	size    atomic.Int64 // maximum number of records in a batch
	batches chan []*sarama.ConsumerMessage
}

func newQueue(ctx context.Context, messages <-chan *sarama.ConsumerMessage) *queue {
	q := &queue{batches: make(chan []*sarama.ConsumerMessage)}
	q.size.Store(FirstBatchSize)
	go q.collect(ctx, messages)
	return q
}

// next waits for a batch. It returns none if the claim or the session has ended.
func (q *queue) next() []*sarama.ConsumerMessage { return <-q.batches }

// observe adapts the size of batches to the time that the last one took.
func (q *queue) observe(d time.Duration) { q.size.Store(NextBatchSize(q.size.Load(), d)) }

// NextBatchSize returns the number of records for the next batch, given the size of the last one and its time.
func NextBatchSize(size int64, elapsed time.Duration) int64 {
	switch {
	case elapsed > targetLatency:
		return max(size/2, 1)
	case elapsed < targetLatency/4:
		return min(2*size, maxBatch)
	}
	return size
}

func (q *queue) collect(ctx context.Context, messages <-chan *sarama.ConsumerMessage) {
	defer close(q.batches)
	var batch []*sarama.ConsumerMessage
	bytes := 0
	full := func() bool { return bytes >= maxBatchBytes || int64(len(batch)) >= q.size.Load() }
	for ended := false; !ended || len(batch) > 0; {
		in, out := messages, q.batches
		if ended || full() {
			in = nil
		}
		if len(batch) == 0 {
			out = nil
		}
		select {
		case <-ctx.Done():
			return
		case out <- batch:
			batch, bytes = nil, 0
		case m, more := <-in:
			for more {
				batch, bytes = append(batch, m), bytes+fetchlimit.MessageSize(m)
				if full() || len(in) == 0 {
					break
				}
				m, more = <-in // it is there, so this is cheaper than another select
			}
			ended = !more
		}
	}
}
