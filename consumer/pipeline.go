package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// pipeline takes records from the consumer group, decrypts them and appends them to the feed. It loads the records that
// the group has read before, and decrypts the feed again when new keys or headers come.
type pipeline struct {
	cfg          Config
	decryptor    *decryptor
	onUnknownKey func() // requests the keys again; rate-limited
	feed         *feed.Feed
	metrics      *metrics
	log          *slog.Logger

	keysMu    sync.RWMutex // write-locked while the keys or the topic change
	sequences sequences
	history   atomic.Pointer[history] // of the current session
}

// StartSession implements [group.Handler].
func (p *pipeline) StartSession(ctx context.Context, q *query.Client, topic group.TopicID, partitions []int32, appendedAfter group.AppendedAfter) {
	p.keysMu.Lock()
	topic = p.sequences.startSession(topic, partitions)
	p.keysMu.Unlock()
	h := newHistory(p, q, topic, len(partitions), appendedAfter)
	p.history.Store(h)
	go h.run(ctx)
	go h.searchHeaders(ctx)
}

// EndSession implements [group.Handler].
func (p *pipeline) EndSession() { p.history.Store(nil) }

// StartPartition implements [group.Handler].
func (p *pipeline) StartPartition(partition int32, offset int64) (process func([]*sarama.ConsumerMessage)) {
	h := p.history.Load()
	h.request(partition, offset)
	buffers := batchBuffers{topic: h.topic, appendedAfter: h.appendedAfter}
	return func(batch []*sarama.ConsumerMessage) { p.process(&buffers, batch) }
}

// batchBuffers are what process needs for a partition. They are reused for the next batch.
type batchBuffers struct {
	topic         group.TopicID // of the records
	appendedAfter group.AppendedAfter
	results       []result
	records       []*feed.Record
	learned       uint64 // what HeadersLearned was before the batch was decrypted
}

// process decrypts a batch of one partition and appends it to the feed.
func (p *pipeline) process(b *batchBuffers, batch []*sarama.ConsumerMessage) {
	p.keysMu.RLock()
	defer p.keysMu.RUnlock()
	b.learned = p.decryptor.opener.Load().HeadersLearned()
	b.results = p.decryptor.decryptBatch(batch, b.results)
	for _, r := range b.results {
		r.record.TopicID = b.topic
		if b.appendedAfter != nil { // the page's history has no such times
			r.record.AppendedAfter = b.appendedAfter(r.record.Partition, r.record.Offset)
		}
	}
	p.publish(p.sequences.get(batch[0].Partition), b)
	p.metrics.countRead(b.results)
	p.refreshUnknownKeys(b.results)
	clear(b.results) // a partition to which nobody writes must not keep its last batch, which the feed drops
	clear(b.records)
}

func (p *pipeline) publish(s *sequence, b *batchBuffers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.openWaiting(s)
	again := s.readBefore(b.results)
	s.follow(b.results)
	separate(b.results, func(r *feed.Record) bool { return again > 0 || p.feed.IsJunk(r) }) // it may hold some that come again
	b.records = b.records[:0]
	for _, r := range b.results {
		s.noteWaiting(r.record, b.learned)
		b.records = append(b.records, r.record)
	}
	// Somebody has set the group's offset back, or it was not committed. Records that have left the feed since must not
	// look like new ones, and the tracker no longer knows all of them.
	for _, r := range b.results[:again] {
		r.record.Flags.Unfollowed = r.msg.Counted && r.record.State == feed.StateDecrypted && !r.record.Flags.Repeat
	}
	p.feed.Backfill(b.records[:again]...)
	p.feed.Append(b.records[again:]...)
}

// resume prepares a partition for reading from an offset. See [sequence.resume].
func (p *pipeline) resume(partition int32, offset int64) (first int64, complete bool) {
	p.keysMu.RLock()
	defer p.keysMu.RUnlock()
	return p.sequences.get(partition).resume(offset)
}

// refreshUnknownKeys asks for the keys again if a record may need one that is in the vault by now, or may be readable
// by it. Records of the format rsa do not name their key.
func (p *pipeline) refreshUnknownKeys(results []result) {
	if slices.ContainsFunc(results, func(r result) bool {
		return r.record.State == feed.StateUnknownKey || r.record.Rejection.Reason == feed.RejectReader || r.record.State == feed.StateUndecryptable && r.msg.Format == envelope.FormatRSA
	}) {
		p.onUnknownKey()
	}
}
