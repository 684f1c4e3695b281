package consumer

import (
	"context"
	"slices"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/web/feed"
)

// backfill decrypts a batch of older records, sorted newest first, and adds them to the feed. It returns the records that
// fit, and all junk: the feed drops most of it, which must not end the loading of older records.
func (p *pipeline) backfill(ctx context.Context, topic group.TopicID, appendedAfter group.AppendedAfter, batch []*sarama.ConsumerMessage) []*feed.Record {
	slices.Reverse(batch)
	p.keysMu.RLock()
	defer p.keysMu.RUnlock()
	if len(batch) == 0 || ctx.Err() != nil { // the next session may read a recreated topic
		return nil
	}
	learned := p.decryptor.opener.Load().HeadersLearned()
	results := p.decryptor.decryptBatch(batch, nil)
	records := make([]*feed.Record, len(results))
	for i := range results {
		record := results[i].record
		record.TopicID, record.AppendedAfter = topic, appendedAfter(record.Partition, record.Offset)
		results[i].check(p.sequences.tracker()) // followAgain sets the other flags
	}
	separate(results, func(*feed.Record) bool { return true }) // not all may fit
	for i, r := range results {
		records[i] = r.record
		s := p.sequences.get(r.record.Partition)
		s.mu.Lock()
		s.noteWaiting(r.record, learned)
		s.mu.Unlock()
	}
	p.metrics.countRead(results)
	kept := p.feed.Backfill(records...)
	for _, record := range records {
		if p.feed.IsJunk(record) && !slices.Contains(kept, record) {
			kept = append(kept, record)
		}
	}
	for _, record := range kept {
		s := p.sequences.get(record.Partition)
		s.mu.Lock()
		s.extendBack(record.Offset)
		s.mu.Unlock()
	}
	p.refreshUnknownKeys(results)
	return kept
}

// followAgain sets the flags of partitions again, from their first record on, after more of their history was loaded, or
// all: records that were read in the meantime were followed without it.
func (p *pipeline) followAgain(ctx context.Context, partitions []int32, complete bool) {
	p.keysMu.RLock()
	defer p.keysMu.RUnlock()
	if len(partitions) == 0 || ctx.Err() != nil {
		return
	}
	held := make(map[int32][]*feed.Record, len(partitions))
	for _, id := range slices.Sorted(slices.Values(partitions)) {
		s := p.sequences.get(id)
		s.mu.Lock()
		defer s.mu.Unlock() //nolint:gocritic // all are held until the feed has the new flags
		p.openWaiting(s)
		held[id] = nil
	}
	for _, record := range p.feed.Records() {
		if list, ok := held[record.Partition]; ok && record.TopicID == p.sequences.topic {
			held[record.Partition] = append(list, record)
		}
	}
	var before, after []*feed.Record
	for id, records := range held {
		s := p.sequences.get(id)
		s.complete = s.complete || complete
		before, after = append(before, records...), append(after, s.followAgain(records, p.feed.IsJunk)...)
	}
	p.feed.Replace(before, after)
	for i, record := range after {
		if record != nil {
			p.metrics.countNew(before[i], record)
		}
	}
}
