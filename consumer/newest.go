package consumer

import (
	"cmp"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
)

// newest keeps the newest of the messages that are added, within limits: the history of a topic can be gigabytes. The
// messages of a partition must come in the order of their offsets, or all be older than the ones before.
type newest struct {
	maxCount, maxBytes int
	messages           []*sarama.ConsumerMessage
	bytes              int
}

// add keeps a copy, because a message's bytes are part of a whole fetch response.
func (n *newest) add(m *sarama.ConsumerMessage) {
	own := *m
	own.Key, own.Value, own.Headers = slices.Clone(m.Key), slices.Clone(m.Value), make([]*sarama.RecordHeader, len(m.Headers))
	headers := make([]sarama.RecordHeader, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = sarama.RecordHeader{Key: slices.Clone(h.Key), Value: slices.Clone(h.Value)}
		own.Headers[i] = &headers[i]
	}
	n.messages = append(n.messages, &own)
	if n.bytes += fetchlimit.MessageSize(m); len(n.messages) > 2*n.maxCount || n.bytes > 2*n.maxBytes {
		n.trim()
	}
}

// trim sorts the messages, oldest first, and drops the oldest until the limits hold. It keeps at least one.
func (n *newest) trim() {
	sortByTime(n.messages)
	drop := 0
	for left := len(n.messages); left > n.maxCount || n.bytes > n.maxBytes && left > 1; left-- {
		n.bytes -= fetchlimit.MessageSize(n.messages[drop])
		drop++
	}
	n.messages = slices.Delete(n.messages, 0, drop)
}

// sortByTime sorts messages, oldest first, and keeps the order of offsets within a partition: writers choose timestamps,
// but not offsets. A message without a valid timestamp follows the one before it in its partition.
func sortByTime(messages []*sarama.ConsumerMessage) {
	slices.SortStableFunc(messages, func(a, b *sarama.ConsumerMessage) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	type timed struct {
		*sarama.ConsumerMessage
		at time.Time
	}
	list := make([]timed, len(messages))
	for i, m := range messages {
		list[i] = timed{m, validTimestamp(m)}
		if list[i].at.IsZero() && i > 0 && list[i-1].Partition == m.Partition {
			list[i].at = list[i-1].at
		}
	}
	for i := len(list) - 2; i >= 0; i-- {
		if next := list[i+1]; next.Partition == list[i].Partition && (list[i].at.IsZero() || next.at.Before(list[i].at)) {
			list[i].at = next.at
		}
	}
	slices.SortStableFunc(list, func(a, b timed) int { return a.at.Compare(b.at) })
	for i, m := range list {
		messages[i] = m.ConsumerMessage
	}
}

// validTimestamp returns a message's time, or the zero time if it is not a date.
func validTimestamp(m *sarama.ConsumerMessage) time.Time {
	if t := timestamp(m); t.Year() <= 9999 {
		return t
	}
	return time.Time{}
}
