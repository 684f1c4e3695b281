package producer

import (
	"bytes"
	"container/list"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// sentRecord is a record on its way to Kafka. It does not hold the message: if that must be sealed again, the record is
// opened.
type sentRecord struct {
	sarama.ProducerMessage
	value, key []byte          // no key is nil
	sealed     envelope.Sealed // opens the value
	partition  int32
	text       []byte // a copy of the message, for OnStored only

	batch   *sentBatch
	handed  bool      // to sarama
	done    bool      // it has its result
	expires time.Time // the inFlightList's; zero if it does not
}

// Encode returns the value. sarama calls it again for each retry.
func (m *sentRecord) Encode() ([]byte, error) { return m.value, nil }

// Length is the value's, in bytes.
func (m *sentRecord) Length() int { return len(m.value) }

// sentBatch holds the records of a batch on their way to Kafka.
type sentBatch struct {
	records    []sentRecord
	buffer     []byte // for keys and values
	left       int    // records without a result
	weight     int64  // in the window
	acceptedAt time.Time
	element    *list.Element // of the inFlightList
}

// minWeight is the least that a record counts for in the window. It bounds the number of records.
const minWeight = 4 << 10

// sentBytes is the size of a buffer: enough for a batch of lean records.
const sentBytes = batchBytes + 16<<10

// sentBatchPool holds batches with buffers for reuse. Without it, sealing costs a fifth to a third more CPU time
// (BenchmarkPipeline).
type sentBatchPool struct{ sync.Pool }

// get returns an empty batch for so many records that weigh so much. Only a heavy one has a buffer, so that the window
// counts all memory.
func (p *sentBatchPool) get(records int, weight int64) *sentBatch {
	if weight < sentBytes/2 {
		return &sentBatch{records: make([]sentRecord, 0, records), weight: weight}
	}
	b, ok := p.Get().(*sentBatch)
	if !ok {
		b = &sentBatch{records: make([]sentRecord, 0, batchLines), buffer: make([]byte, 0, sentBytes)}
	}
	b.weight = min(max(weight, sentBytes), maxInFlight)
	return b
}

// put returns a batch to the pool. Nobody else may hold it, or a record of it, any more.
func (p *sentBatchPool) put(b *sentBatch) {
	if b.buffer == nil {
		return
	}
	clear(b.records)
	b.records, b.buffer, b.element = b.records[:0], b.buffer[:0], nil
	p.Put(b)
}

// add adds a record. There must be room for it.
func (b *sentBatch) add(r *record, keepText bool) *sentRecord {
	b.records = append(b.records, sentRecord{value: r.value, key: bytes.Clone(r.key), partition: r.partition, batch: b})
	m := &b.records[len(b.records)-1]
	if keepText {
		m.text = bytes.Clone(r.text)
	}
	return m
}

// seal makes the value of a record of the batch. Retries send the same bytes until it expires.
func (b *sentBatch) seal(s *sealer, r *record) (err error) {
	used, size := len(b.buffer), s.size(r.text, nil)
	fits := cap(b.buffer)-used >= size
	free := b.buffer[used:]
	if !fits {
		free = make([]byte, 0, size)
	}
	r.sent.value, r.sent.sealed, err = s.seal(free, r)
	if fits {
		b.buffer = b.buffer[:used+len(r.sent.value)]
	}
	return err
}
