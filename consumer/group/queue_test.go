package group

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Without it the page would wait for a batch of slow records, or small batches would slow down fast ones.
func TestBatchesGrowAndShrink(t *testing.T) {
	size := int64(FirstBatchSize)
	for range 10 {
		size = NextBatchSize(size, time.Millisecond)
	}
	if size != maxBatch {
		t.Errorf("fast: %d", size)
	}
	for range 20 {
		size = NextBatchSize(size, time.Second)
	}
	if size != 1 || NextBatchSize(64, targetLatency/2) != 64 {
		t.Errorf("slow: %d", size)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages := make(chan *sarama.ConsumerMessage, 100)
	for i := range 100 {
		messages <- &sarama.ConsumerMessage{Offset: int64(i), Value: make([]byte, 1<<20)}
	}
	close(messages)
	q, offset := newQueue(ctx, messages), int64(0)
	for batch := q.next(); len(batch) > 0; batch = q.next() {
		if len(batch) > maxBatchBytes>>20 {
			t.Errorf("got a batch of %d records of a MiB", len(batch))
		}
		for _, m := range batch {
			if m.Offset != offset {
				t.Errorf("got offset %d, want %d", m.Offset, offset)
			}
			offset++
		}
	}
	if offset != 100 {
		t.Errorf("got %d of 100 records", offset)
	}
}

// Without it a rebalance and a consumer would wait for each other.
func TestQueueEndsWithItsSession(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQueue(ctx, make(chan *sarama.ConsumerMessage))
	cancel()
	if batch := q.next(); batch != nil {
		t.Errorf("got %d records", len(batch))
	}
}
