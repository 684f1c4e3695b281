package fetchlimit

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/IBM/sarama"
)

// A placeholder is a record without key and value and with one header. The header's key is random for each process, so
// nobody who writes to the topic can forge it. Its value is the first offset of the skipped batch and the reason.

func newPlaceholderKey() string { return rand.Text() }

// Reason says why a batch was skipped.
type Reason byte

// The reasons for skipping a batch.
const (
	TooLarge Reason = 'l'
	Damaged  Reason = 'd' // or in an unknown codec
)

// placeholderValueSize is the length of the header's value: an offset and a reason.
const placeholderValueSize = 8 + 1

// Skipped describes a batch that was skipped.
type Skipped struct {
	First  int64 // its first offset; the placeholder has the last one
	Reason Reason
}

// Placeholder returns the skipped batch that a message stands for. ok is false for any other message.
func (l *Limiter) Placeholder(m *sarama.ConsumerMessage) (skipped Skipped, ok bool) {
	if len(m.Headers) != 1 || string(m.Headers[0].Key) != l.placeholderKey || len(m.Headers[0].Value) != placeholderValueSize {
		return Skipped{}, false
	}
	value := m.Headers[0].Value
	return Skipped{First: int64(binary.BigEndian.Uint64(value)), Reason: Reason(value[8])}, true
}

// appendPlaceholder appends the placeholder of a batch. It has the batch's last offset and time, so that sarama
// continues behind the batch.
func appendPlaceholder(out []byte, key string, batch []byte, reason Reason) []byte {
	first := binary.BigEndian.Uint64(batch[batchFirstTimeAt:])
	last := binary.BigEndian.Uint64(batch[batchLastTimeAt:])
	record := []byte{0} // attributes
	record = binary.AppendVarint(record, int64(last-first))
	record = binary.AppendVarint(record, int64(int32(binary.BigEndian.Uint32(batch[batchLastDeltaAt:]))))
	record = binary.AppendVarint(record, -1) // no key
	record = binary.AppendVarint(record, -1) // no value
	record = binary.AppendVarint(record, 1)  // one header
	record = binary.AppendVarint(record, int64(len(key)))
	record = append(record, key...)
	record = binary.AppendVarint(record, placeholderValueSize)
	record = append(record, batch[:8]...) // the batch's first offset
	record = append(record, byte(reason))
	return append(binary.AppendVarint(out, int64(len(record))), record...)
}
