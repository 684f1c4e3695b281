package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/web"
)

// history brings back the records that the group has read already, so that a
// page is not empty after a restart or a rebalance. It reads them beside the
// group, with offsets of its own: the group's are never moved back.
type history struct {
	reader *reader
	client sarama.Client

	mu      sync.Mutex
	missing int             // claims that have not loaded theirs yet
	newest  tail            // of all claims, by time
	first   map[int32]int64 // the offset from which each partition is read
	shown   chan struct{}   // closed when all of it is in the feed
	reading chan struct{}   // holds one for each claim that reads: a tail can be 32 MiB
}

// tail keeps the last messages that it is given, as many as the feed would keep
// of them: one partition's history can be a gigabyte.
type tail struct {
	messages []*sarama.ConsumerMessage
	bytes    int
}

func (t *tail) add(m *sarama.ConsumerMessage, most int) {
	t.messages = append(t.messages, m)
	t.bytes += bytesOf(m)
	for len(t.messages) > most || t.bytes > web.MaxBytes && len(t.messages) > 1 {
		t.bytes -= bytesOf(t.messages[0])
		t.messages[0] = nil
		t.messages = t.messages[1:]
	}
}

// What sarama keeps for a message and for a header, beside their bytes.
const (
	messageCost = 200
	headerCost  = 64
)

// bytesOf is what a message takes. Whoever may write chooses its headers, too:
// half a million empty ones fit into a megabyte.
func bytesOf(m *sarama.ConsumerMessage) int {
	size := messageCost + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		size += headerCost + len(h.Key) + len(h.Value)
	}
	return size
}

func newHistory(r *reader, client sarama.Client, claims int) *history {
	return &history{
		reader: r, client: client, missing: claims, first: make(map[int32]int64), shown: make(chan struct{}),
		reading: make(chan struct{}, readAtOnce),
	}
}

// quiet is how long the end of a partition's history may stay silent before it
// is taken as read: the last offsets can be missing after compaction, and then
// no record says that the end is reached.
const quiet = 3 * time.Second

// readAtOnce is how many claims' histories are read at the same time.
const readAtOnce = 4

// load reads one claim's history and waits until that of every claim is in the
// feed, so that the newest records of all partitions are the ones that stay. It
// reports whether the session goes on.
func (h *history) load(ctx context.Context, claim sarama.ConsumerGroupClaim) bool {
	select {
	case h.reading <- struct{}{}:
		h.add(claim, h.read(ctx, claim))
		<-h.reading
	case <-ctx.Done():
		return false
	}
	select {
	case <-h.shown:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (h *history) add(claim sarama.ConsumerGroupClaim, messages []*sarama.ConsumerMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first[claim.Partition()] = claim.InitialOffset()
	all := merge(h.newest.messages, messages)
	h.newest = tail{}
	for _, m := range all {
		h.newest.add(m, h.reader.cfg.WebHistory)
	}
	if h.missing--; h.missing > 0 {
		return
	}
	for _, m := range slices.Backward(h.newest.messages) {
		h.first[m.Partition] = m.Offset
	}
	for partition, offset := range h.first {
		h.reader.from(partition, offset)
	}
	var w work
	for part := range slices.Chunk(h.newest.messages, firstBatch) {
		h.reader.show(&w, part)
	}
	h.newest = tail{}
	close(h.shown)
}

// merge joins two lists by time. It never changes the order within one: a
// partition's records are followed in the order of their offsets, whatever time
// their writers put on them.
func merge(a, b []*sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	all := make([]*sarama.ConsumerMessage, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].Timestamp.Before(a[0].Timestamp) {
			a, b = b, a
		}
		all, a = append(all, a[0]), a[1:]
	}
	return append(append(all, a...), b...)
}

func (h *history) read(ctx context.Context, claim sarama.ConsumerGroupClaim) []*sarama.ConsumerMessage {
	topic, partition, end := claim.Topic(), claim.Partition(), claim.InitialOffset()
	if end <= 0 || h.reader.partitions.of(partition).next >= end {
		return nil // never committed, or read by this very process
	}
	messages, err := h.readRange(ctx, topic, partition, end)
	if err != nil {
		h.reader.log.WarnContext(ctx, "history not read", slog.Int("partition", int(partition)), slog.String("cause", h.reader.explain(err).String()))
	}
	return messages
}

func (h *history) readRange(ctx context.Context, topic string, partition int32, end int64) ([]*sarama.ConsumerMessage, error) {
	oldest, err := h.client.GetOffset(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	start := max(oldest, end-int64(h.reader.cfg.WebHistory))
	if start >= end {
		return nil, nil
	}
	consumer, err := sarama.NewConsumerFromClient(h.client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close() //nolint:errcheck // only read from
	claim, err := consumer.ConsumePartition(topic, partition, start)
	if err != nil {
		return nil, err
	}
	defer claim.Close() //nolint:errcheck // only read from
	var read tail
	for {
		select {
		case <-ctx.Done():
			return read.messages, nil
		case <-time.After(quiet):
			return read.messages, nil
		case err := <-claim.Errors():
			return read.messages, err
		case m, ok := <-claim.Messages():
			if !ok || m.Offset >= end {
				return read.messages, nil
			}
			read.add(m, h.reader.cfg.WebHistory)
			if m.Offset == end-1 {
				return read.messages, nil
			}
		}
	}
}
