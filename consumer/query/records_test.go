package query

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// batchOf makes a batch of records that starts at offset first.
func batchOf(producer, first int64, values ...string) *sarama.Records {
	b := &sarama.RecordBatch{FirstOffset: first, LastOffsetDelta: int32(len(values) - 1), ProducerID: producer, IsTransactional: producer > 0, FirstTimestamp: time.Unix(first, 0)}
	for i, v := range values {
		b.Records = append(b.Records, &sarama.Record{OffsetDelta: int64(i), Value: []byte(v)})
	}
	return &sarama.Records{RecordBatch: b}
}

// marker makes the control batch that ends a transaction.
func marker(producer, at int64, kind uint16) *sarama.Records {
	key := binary.BigEndian.AppendUint16([]byte{0, 0}, kind)
	return &sarama.Records{RecordBatch: &sarama.RecordBatch{FirstOffset: at, ProducerID: producer, IsTransactional: true, Control: true, Records: []*sarama.Record{{Key: key, Value: make([]byte, 6)}}}}
}

// Without it the history would show aborted records, end too early, or be loaded forever.
func TestReadSkipsAbortedTransactions(t *testing.T) {
	const abort, commit = 0, 1
	block := &sarama.FetchResponseBlock{
		HighWaterMarkOffset: 30,
		// The first one began before the range, as in the middle of a long transaction. Brokers do not sort them.
		AbortedTransactions: []*sarama.AbortedTransaction{{ProducerID: 2, FirstOffset: 12}, {ProducerID: 1, FirstOffset: 3}},
		RecordsSet: []*sarama.Records{
			batchOf(0, 8, "before"), batchOf(0, 9, "a", "b"), batchOf(1, 11, "aborted 1"), batchOf(2, 12, "aborted 2"), marker(1, 13, abort),
			batchOf(1, 14, "committed 1"), batchOf(2, 15, "aborted 2"), marker(1, 16, commit), marker(2, 17, abort), batchOf(2, 18, "committed 2", "after"), marker(2, 20, commit),
		},
	}
	for committed, want := range map[bool][]string{
		true:  {"9 a", "10 b", "14 committed 1", "18 committed 2"},
		false: {"9 a", "10 b", "11 aborted 1", "12 aborted 2", "14 committed 1", "15 aborted 2", "18 committed 2"},
	} {
		s, got := &Range{Partition: 7, Next: 9, End: 19}, []string(nil)
		s.read(block, committed, func(m *sarama.ConsumerMessage) {
			if m.Partition != 7 || m.Timestamp.IsZero() {
				t.Errorf("%+v", m)
			}
			got = append(got, fmt.Sprint(m.Offset, " ", string(m.Value)))
		})
		if !slices.Equal(got, want) || !s.Done || s.Next != 21 {
			t.Errorf("committed %v: got %q, done %v, next %d", committed, got, s.Done, s.Next)
		}
	}
}

// Without it a topic that was written before Kafka 0.11 would have no history.
func TestReadOldFormats(t *testing.T) {
	old := func(offset int64, value string, set ...*sarama.MessageBlock) *sarama.MessageBlock {
		m := &sarama.Message{Version: 1, Timestamp: time.Unix(5, 0), Value: []byte(value)}
		if set != nil {
			m.Set = &sarama.MessageSet{Messages: set}
		}
		return &sarama.MessageBlock{Offset: offset, Msg: m}
	}
	block := &sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{{MsgSet: &sarama.MessageSet{Messages: []*sarama.MessageBlock{
		old(3, "single"), old(6, "", old(0, "x"), old(1, "y"), old(2, "z")),
	}}}}}
	s, got := &Range{Next: 3, End: 6}, []string(nil)
	s.read(block, true, func(m *sarama.ConsumerMessage) { got = append(got, fmt.Sprint(m.Offset, " ", string(m.Value))) })
	if !slices.Equal(got, []string{"3 single", "4 x", "5 y"}) || s.Next != 7 {
		t.Errorf("got %q, next %d", got, s.Next)
	}
}

// FuzzTransactions checks that the history shows each committed record once and no other, whatever writers commit and
// abort.
func FuzzTransactions(f *testing.F) {
	f.Add([]byte("abcABCaAxbbBcC"))
	f.Add([]byte("aaxaA.abcxBACb"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		block, want, got := new(sarama.FetchResponseBlock), make(map[int64]bool), make(map[int64]bool)
		open := make(map[int64][]int64) // offsets by producer
		for at, step := range steps[:min(len(steps), 200)] {
			offset, producer := int64(at), int64(step&3)+1
			switch end := step&8 != 0; {
			case step&4 != 0: // without a transaction
				block.RecordsSet = append(block.RecordsSet, batchOf(0, offset, "x"))
				want[offset] = true
			case !end:
				block.RecordsSet = append(block.RecordsSet, batchOf(producer, offset, "x"))
				open[producer] = append(open[producer], offset)
			case len(open[producer]) > 0:
				abort := step&16 != 0
				kind := uint16(1)
				if abort {
					kind = 0
					block.AbortedTransactions = append(block.AbortedTransactions, &sarama.AbortedTransaction{ProducerID: producer, FirstOffset: open[producer][0]})
				}
				for _, o := range open[producer] {
					want[o] = !abort
				}
				open[producer] = nil
				block.RecordsSet = append(block.RecordsSet, marker(producer, offset, kind))
			}
		}
		stable := int64(len(steps)) // brokers return nothing behind the first record of an open transaction
		for _, offsets := range open {
			if len(offsets) > 0 {
				stable = min(stable, offsets[0])
			}
		}
		block.RecordsSet = slices.DeleteFunc(block.RecordsSet, func(r *sarama.Records) bool { return r.RecordBatch.FirstOffset >= stable })
		s := &Range{End: stable}
		s.read(block, true, func(m *sarama.ConsumerMessage) {
			if got[m.Offset] {
				t.Errorf("offset %d came twice", m.Offset)
			}
			got[m.Offset] = true
		})
		for offset := range stable {
			if got[offset] != want[offset] {
				t.Errorf("offset %d: shown %v, want %v", offset, got[offset], want[offset])
			}
		}
	})
}
