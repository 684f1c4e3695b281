package producer

import (
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// maxPooledBytes is the largest buffer that is kept for reuse: enough for usual records, and little memory even in
// thousands of them.
const maxPooledBytes = 16 << 10

// pooledMessage is a record on its way to Kafka, reused after its acknowledgment. Without the pool, sealing costs a fifth
// to a third more CPU time (BenchmarkPipeline). It does not hold the message: if that must be sealed again, the record is
// opened.
type pooledMessage struct {
	sarama.ProducerMessage
	value, key []byte
	sealed     envelope.Sealed // opens the value
	hasKey     bool            // even if the key is empty
	partition  int32
	text       []byte // a copy of the message, for OnStored only
	pool       *sync.Pool

	batch   *sentBatch // the inFlightList's
	index   int        // in the batch
	handed  bool       // to sarama
	expires time.Time  // the inFlightList's; zero if it does not
}

// newMessage returns a record for a message, with capacity for a value of the given size.
func newMessage(pool *sync.Pool, msg message, size int) *pooledMessage {
	m, ok := pool.Get().(*pooledMessage)
	if !ok || cap(m.value) < size {
		m = &pooledMessage{value: make([]byte, 0, size), key: []byte{}, pool: pool} // an empty key differs from a nil one
	}
	m.key, m.hasKey = append(m.key[:0], msg.key...), msg.key != nil
	return m
}

// free returns the message to the pool. Nobody else may hold it any more.
func (m *pooledMessage) free() {
	clear(m.text)
	if cap(m.value) > maxPooledBytes {
		return
	}
	*m = pooledMessage{value: m.value[:0], key: m.key[:0], text: m.text[:0], pool: m.pool}
	m.pool.Put(m)
}

// Encode returns the value. sarama calls it again for each retry.
func (m *pooledMessage) Encode() ([]byte, error) { return m.value, nil }

// Length is the value's, in bytes.
func (m *pooledMessage) Length() int { return len(m.value) }
