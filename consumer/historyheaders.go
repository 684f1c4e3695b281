package consumer

import (
	"context"
	"iter"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// findHeaders finds the headers that older records need before they are shown: in these records, then in a few before
// them, in all partitions together: whoever may write can make up names, and must not hold up the history with them. What
// it does not find is looked for again like those of new records. The messages are sorted within each partition.
func (h *history) findHeaders(ctx context.Context, leader *sarama.Broker, messages []*sarama.ConsumerMessage) {
	byPartition := make(map[int32][]*sarama.ConsumerMessage)
	for _, m := range messages {
		byPartition[m.Partition] = append(byPartition[m.Partition], m)
	}
	limits := &searchLimits{fetches: 64, records: 4096, bytes: 8 << 20}
	for partition, list := range byPartition {
		search := &headerSearch{history: h, sequence: h.pipeline.sequences.get(partition), limits: limits}
		search.locked(ctx, func(p *pipeline) {
			search.begin(p, namesOf(list, func(m *sarama.ConsumerMessage) []byte { return m.Value }), list[0].Offset)
		})
		if len(search.names) == 0 || search.findIn(list) == nil {
			continue
		}
		err := search.find(ctx, leader)
		search.locked(ctx, func(*pipeline) {
			if search.isLost() {
				search.sequence.waiting.sought = 0
			}
		})
		if err != nil || search.isFar() { // the broker may need ten seconds for each partition
			return
		}
	}
}

// findIn looks for the headers in messages.
func (s *headerSearch) findIn(messages []*sarama.ConsumerMessage) error {
	return s.opener.FindHeaders(envelope.HeaderSearch{
		Topic: s.pipeline.decryptor.topic, Names: s.names, Offset: int64(len(messages)),
		Read: func(from, to int64) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for _, m := range messages[from:to] {
					if !yield(m.Value, nil) {
						return
					}
				}
			}
		},
	})
}
