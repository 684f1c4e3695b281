package query

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/IBM/sarama"
)

// read calls handle for the records of a response that are in the range, and advances the range.
func (r *Range) read(block *sarama.FetchResponseBlock, readCommitted bool, handle func(*sarama.ConsumerMessage)) {
	inRange := func(m *sarama.ConsumerMessage) {
		if m.Offset >= r.Next && m.Offset < r.End {
			m.Partition = r.Partition
			handle(m)
		}
	}
	aborted := newAborted(block.AbortedTransactions)
	for _, records := range block.RecordsSet {
		switch {
		case records.MsgSet != nil:
			eachOfSet(records.MsgSet, inRange)
			for _, m := range records.MsgSet.Messages {
				r.Next = max(r.Next, m.Offset+1)
			}
		case records.RecordBatch != nil && records.RecordBatch.PartialTrailingRecord: // to be requested again
			if r.cutOff++; r.cutOff > maxCutOff {
				r.Err = sarama.ErrInvalidMessage
			}
			return
		case records.RecordBatch != nil:
			batch := records.RecordBatch
			r.cutOff = 0
			if !aborted.skips(batch, readCommitted) {
				eachOfBatch(batch, inRange)
			}
			r.Next = max(r.Next, batch.LastOffset()+1)
		}
	}
	r.Done = r.Next >= r.End
}

func eachOfBatch(batch *sarama.RecordBatch, handle func(*sarama.ConsumerMessage)) {
	for _, r := range batch.Records {
		timestamp := batch.FirstTimestamp.Add(r.TimestampDelta)
		if batch.LogAppendTime {
			timestamp = batch.MaxTimestamp
		}
		handle(&sarama.ConsumerMessage{Offset: batch.FirstOffset + r.OffsetDelta, Timestamp: timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
}

// eachOfSet does the same for the formats before Kafka 0.11.
func eachOfSet(set *sarama.MessageSet, handle func(*sarama.ConsumerMessage)) {
	for _, block := range set.Messages {
		inner := block.Messages()
		for _, m := range inner {
			offset, timestamp := m.Offset, m.Msg.Timestamp
			if m.Msg.Version >= 1 {
				offset += block.Offset - inner[len(inner)-1].Offset
				if m.Msg.LogAppendTime {
					timestamp = block.Msg.Timestamp
				}
			}
			handle(&sarama.ConsumerMessage{Offset: offset, Timestamp: timestamp, Key: m.Msg.Key, Value: m.Msg.Value})
		}
	}
}

// aborted recognizes the batches of aborted transactions: https://kafka.apache.org/protocol#The_Messages_Fetch,
// aborted_transactions.
type aborted struct {
	pending []*sarama.AbortedTransaction // transactions that begin at later offsets, in order
	open    map[int64]bool               // by producer id
}

func newAborted(all []*sarama.AbortedTransaction) *aborted {
	pending := slices.Clone(all)
	slices.SortStableFunc(pending, func(a, b *sarama.AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return &aborted{pending, make(map[int64]bool)}
}

// skips reports whether to skip a batch: always if it holds control records, and with readCommitted also if its
// transaction was aborted.
func (a *aborted) skips(batch *sarama.RecordBatch, readCommitted bool) bool {
	for len(a.pending) > 0 && a.pending[0].FirstOffset <= batch.LastOffset() {
		a.open[a.pending[0].ProducerID] = true
		a.pending = a.pending[1:]
	}
	if batch.Control {
		const abort = 0 // the type of a control record, after its version
		if len(batch.Records) > 0 && len(batch.Records[0].Key) >= 4 && binary.BigEndian.Uint16(batch.Records[0].Key[2:]) == abort {
			delete(a.open, batch.ProducerID)
		}
		return true
	}
	return readCommitted && batch.IsTransactional && a.open[batch.ProducerID]
}
