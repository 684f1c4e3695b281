package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// history brings back the records that the group has read already, so that a
// page is not empty after a restart or a rebalance. It reads them beside the
// group, with offsets of its own: the group's are never moved back.
type history struct {
	reader *reader
	client sarama.Client

	mu      sync.Mutex
	missing int                       // claims that have not loaded theirs yet
	newest  []*sarama.ConsumerMessage // of all claims, by time, WEB_HISTORY at most
	shown   chan struct{}             // closed when all of it is in the feed
}

func newHistory(r *reader, client sarama.Client, claims int) *history {
	return &history{reader: r, client: client, missing: claims, shown: make(chan struct{})}
}

// quiet is how long the end of a partition's history may stay silent before it
// is taken as read: the last offsets can be missing after compaction, and then
// no record says that the end is reached.
const quiet = 3 * time.Second

// load reads one claim's history and waits until that of every claim is in the
// feed, so that the newest records of all partitions are the ones that stay.
func (h *history) load(ctx context.Context, claim sarama.ConsumerGroupClaim) {
	h.add(h.read(ctx, claim))
	select {
	case <-h.shown:
	case <-ctx.Done():
	}
}

func (h *history) add(messages []*sarama.ConsumerMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newest = append(h.newest, messages...)
	slices.SortStableFunc(h.newest, func(a, b *sarama.ConsumerMessage) int {
		return a.Timestamp.Compare(b.Timestamp)
	})
	if extra := len(h.newest) - h.reader.cfg.WebHistory; extra > 0 {
		h.newest = slices.Clone(h.newest[extra:])
	}
	if h.missing--; h.missing > 0 {
		return
	}
	for part := range slices.Chunk(h.newest, maxBatch) {
		h.reader.show(part)
	}
	h.newest = nil
	close(h.shown)
}

func (h *history) read(ctx context.Context, claim sarama.ConsumerGroupClaim) []*sarama.ConsumerMessage {
	topic, partition, end := claim.Topic(), claim.Partition(), claim.InitialOffset()
	if end <= 0 || h.reader.seen.get(partition) >= end {
		return nil // never committed, or read by this very process
	}
	messages, err := h.readRange(ctx, topic, partition, end)
	if err != nil {
		h.reader.log.WarnContext(ctx, "history not read", slog.Int("partition", int(partition)), slog.String("cause", cause(err)))
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
	var messages []*sarama.ConsumerMessage
	for {
		select {
		case <-ctx.Done():
			return messages, nil
		case <-time.After(quiet):
			return messages, nil
		case err := <-claim.Errors():
			return messages, err
		case m, ok := <-claim.Messages():
			if !ok || m.Offset >= end {
				return messages, nil
			}
			messages = append(messages, m)
			if m.Offset == end-1 {
				return messages, nil
			}
		}
	}
}
