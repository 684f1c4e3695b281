package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// A batch is small where a record takes a private-key operation, so that the
// page does not wait for it, and large where there is next to nothing to do.
const (
	firstBatch = 64
	largest    = 1024
	enough     = 1 << 20 // bytes
	prompt     = 200 * time.Millisecond
)

// queue collects the next batch of a claim while the one before is being
// opened, so that Kafka is asked for more in the meantime.
type queue struct {
	size    atomic.Int64 // most records in a batch
	batches chan []*sarama.ConsumerMessage
}

func newQueue(ctx context.Context, messages <-chan *sarama.ConsumerMessage) *queue {
	q := &queue{batches: make(chan []*sarama.ConsumerMessage)}
	q.size.Store(firstBatch)
	go q.collect(ctx, messages)
	return q
}

// next waits for a batch. It returns none when the claim or the session has ended.
func (q *queue) next() []*sarama.ConsumerMessage { return <-q.batches }

// took says how long the last batch took.
func (q *queue) took(d time.Duration) { q.size.Store(nextSize(q.size.Load(), d)) }

func nextSize(size int64, took time.Duration) int64 {
	switch {
	case took > prompt:
		return max(size/2, 1)
	case took < prompt/4:
		return min(2*size, largest)
	}
	return size
}

func (q *queue) collect(ctx context.Context, messages <-chan *sarama.ConsumerMessage) {
	defer close(q.batches)
	var batch []*sarama.ConsumerMessage
	bytes := 0
	for ended := false; !ended || len(batch) > 0; {
		in, out := messages, q.batches
		if ended || bytes >= enough || int64(len(batch)) >= q.size.Load() {
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
			if !more {
				ended = true
				continue
			}
			batch, bytes = append(batch, m), bytes+bytesOf(m)
		}
	}
}
