// Package fetchlimit bounds the memory that Kafka's fetch responses take. It rewrites them before sarama parses them.
//
// Whoever may write to a topic chooses what a compressed batch unpacks to. A kilobyte can become gigabytes, and a
// megabyte of empty headers becomes thirty megabytes of Go values. sarama has [sarama.MaxDecompressedBatchSize], which
// is not enough:
//
//   - It bounds one batch, but neither a whole response nor the values that sarama makes of the records.
//   - A batch over the limit fails the whole response. sarama requests it again, forever, and reads nothing behind it.
//
// So a [Limiter] wraps each connection. It unpacks the batches of a fetch response itself, within limits. It puts a
// placeholder record in place of a batch that is too large or damaged, so that sarama reads on behind it. It ends a
// response early once that is full: sarama requests the rest next. All connections of a consumer group share a budget.
//
//	limiter := fetchlimit.New(16 << 20)
//	conn = limiter.Conn(conn, nil)             // for each connection, before sarama uses it
//	skipped, ok := limiter.Placeholder(message) // for each message from sarama
//
// It does not bound messages that the caller has taken from sarama.
//
// Only this package and kafkaconf know Kafka's wire format. Delete this one once sarama bounds a whole response by the memory that
// its records take, and can skip a batch over the limit.
package fetchlimit

import (
	"math"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// Limits of New's argument, in bytes.
const (
	MinBatch = 8 << 20 // every zstd decoder should support windows of this size: RFC 8878, 3.1.1.1.2
	MaxBatch = 1 << 30
)

// Memory in bytes that sarama's values take, in addition to the bytes of keys, values and headers.
const (
	messageCost = 200 // of one message
	headerCost  = 64  // of one header
)

// MessageSize returns the memory that a message takes. It counts headers because writers choose their number: half a
// million empty ones fit into a megabyte.
func MessageSize(m *sarama.ConsumerMessage) int {
	size := messageCost + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		size += headerCost + len(h.Key) + len(h.Value)
	}
	return size
}

// budgetResponses is the number of responses of the largest size that fit into the budget.
const budgetResponses = 8

// Limiter wraps the connections of one program.
type Limiter struct {
	maxBatch       int
	placeholderKey string
	budget         *budget
}

// New returns a Limiter. A batch, and all batches of one response together, may take maxBatch bytes of memory. The
// responses to a consumer group may take eight times as much until sarama has delivered their messages.
func New(maxBatch int) *Limiter {
	return &Limiter{maxBatch: maxBatch, placeholderKey: newPlaceholderKey(), budget: newBudget(budgetResponses * maxBatch)}
}

// Conn wraps a connection of a consumer group. The connection must be ready for requests, and get each request in one
// Write. onPartition, if not nil, is called for each partition in a response.
func (l *Limiter) Conn(conn net.Conn, onPartition func(FetchedPartition)) net.Conn {
	return newFetchConn(conn, newRewriter(l.maxBatch, l.placeholderKey, l.budget, onPartition))
}

// FetchedPartition is what a response says of one partition.
type FetchedPartition struct {
	Partition     int32
	Code          sarama.KError
	Sent          time.Time // before the request was sent
	HighWatermark int64     // behind the last record that all replicas in sync have; negative if unknown
}

// SeparateConn wraps a connection whose caller handles each response before it requests the next. It bounds each
// response, and takes nothing of the group's budget.
func (l *Limiter) SeparateConn(conn net.Conn) net.Conn {
	return newFetchConn(conn, newRewriter(l.maxBatch, l.placeholderKey, newBudget(math.MaxInt), nil))
}

// ResetBudget frees the whole budget. Call it when a session of the consumer group has ended.
func (l *Limiter) ResetBudget() { l.budget.reset() }
