package consumer

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

func messages(from int64, values ...[]byte) []*sarama.ConsumerMessage {
	list := make([]*sarama.ConsumerMessage, len(values))
	for i, v := range values {
		list[i] = &sarama.ConsumerMessage{Topic: "t", Offset: from + int64(i), Value: v}
	}
	return list
}

func sealedTexts(t *testing.T, s *envelope.Sealer, n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		values[i] = seal(t, s, fmt.Sprint(i), 0)
	}
	return values
}

func flagged(r *reader) (offsets []int64) {
	for _, record := range r.feed.Held() {
		if record.Flags != (web.Flags{}) {
			offsets = append(offsets, record.Offset)
		}
	}
	return offsets
}

// Without this a partition that comes back from another pod would show a gap that is none, and one that was read
// without a break would hide one that is.
func TestGapsAreOnlyThoseThatWereRead(t *testing.T) {
	key := newKey(t)
	r, s := newReader(t), newSealer(t, key, envelope.FormatEnvelope)
	if err := r.useKeys([]*rsa.PrivateKey{key}); err != nil {
		t.Fatal(err)
	}
	values := sealedTexts(t, s, 40)
	var w work
	r.show(&w, messages(0, values[:10]...))
	r.from(0, 10) // the same pod goes on
	r.show(&w, messages(10, values[12:20]...))
	if got := flagged(r); !slices.Equal(got, []int64{10}) {
		t.Errorf("flagged: %v, want the record after the gap", got)
	}
	r.from(0, 28) // another pod had it meanwhile
	r.show(&w, messages(28, values[30:40]...))
	if got := flagged(r); !slices.Equal(got, []int64{10}) {
		t.Errorf("flagged: %v; what another pod read is not missing", got)
	}
}

// Without this the writers' clocks would make false gaps.
func TestHistoryKeepsEachPartitionsOrder(t *testing.T) {
	at := func(partition int32, offset int64, second int) *sarama.ConsumerMessage {
		return &sarama.ConsumerMessage{Partition: partition, Offset: offset, Timestamp: time.Unix(int64(second), 0)}
	}
	a := []*sarama.ConsumerMessage{at(0, 0, 10), at(0, 1, 5), at(0, 2, 20)}
	b := []*sarama.ConsumerMessage{at(1, 0, 7), at(1, 1, 15), at(1, 2, 1)}
	var got []string
	for _, m := range merge(a, b) {
		got = append(got, fmt.Sprintf("%d/%d", m.Partition, m.Offset))
	}
	if text := strings.Join(got, " "); text != "1/0 0/0 0/1 1/1 1/2 0/2" {
		t.Errorf("got %s", text)
	}
}

// Without this records that come while keys arrive would be judged before those in front of them, or never.
func TestKeysArriveWhileRecordsDo(t *testing.T) {
	key := newKey(t)
	r, s := newReader(t), newSealer(t, key, envelope.FormatEnvelope)
	values := sealedTexts(t, s, 900)
	values = slices.Delete(values, 500, 502) // a gap, wherever the key comes
	done := make(chan struct{})
	go func() {
		defer close(done)
		var w work
		for i := 0; i < len(values); i += 2 {
			r.show(&w, messages(int64(i), values[i:min(i+2, len(values))]...))
		}
	}()
	for len(r.feed.Held()) < 100 {
		time.Sleep(time.Millisecond)
	}
	if err := r.useKeys([]*rsa.PrivateKey{key}); err != nil {
		t.Fatal(err)
	}
	<-done
	for _, record := range r.feed.Held() {
		if record.State != web.StateDecrypted {
			t.Fatalf("offset %d is %s", record.Offset, record.State)
		}
	}
	if got := flagged(r); !slices.Equal(got, []int64{500}) {
		t.Errorf("flagged: %v", got)
	}
}

// Without this a batch of slow records would keep the page waiting, or one of fast ones cost more than it does.
func TestBatchesGrowAndShrink(t *testing.T) {
	size := int64(firstBatch)
	for range 10 {
		size = nextSize(size, time.Millisecond)
	}
	if size != largest {
		t.Errorf("fast: %d", size)
	}
	for range 20 {
		size = nextSize(size, time.Second)
	}
	if size != 1 || nextSize(64, prompt/2) != 64 {
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
		if len(batch) > enough>>20 {
			t.Errorf("took %d records of a MiB", len(batch))
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

// Without this a rebalance would wait for a consumer that waits for it.
func TestQueueEndsWithItsSession(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQueue(ctx, make(chan *sarama.ConsumerMessage))
	cancel()
	if batch := q.next(); batch != nil {
		t.Errorf("got %d records", len(batch))
	}
}
