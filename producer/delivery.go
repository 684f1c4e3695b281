package producer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/semaphore"

	"kafka-e2ee/kafkaconf"
)

// The values of the metrics' outcome label.
const (
	outcomeAcknowledged = "acknowledged"
	outcomeFailed       = "failed"
)

// What may wait for Kafka; then the source waits. It bounds the memory, since sarama itself buffers without limit
// while a broker is away. Each record counts for at least lightest bytes, so that their number is bounded, too.
const (
	inFlight = 32 << 20
	lightest = 8 << 10
)

func weight(size int) int64 { return int64(min(max(size, lightest), inFlight)) }

// parcel is a record on its way. It and its room are used again once Kafka has it.
type parcel struct {
	sarama.ProducerMessage
	value []byte
	home  *sync.Pool
}

// largestRoom is how many bytes a parcel keeps for the next record: more than usual ones need, and little in thousands.
const largestRoom = 16 << 10

// newParcel gives one with room for a value of so many bytes.
func newParcel(home *sync.Pool, size int) *parcel {
	p, ok := home.Get().(*parcel)
	if !ok || cap(p.value) < size {
		p = &parcel{value: make([]byte, 0, size), home: home}
	}
	return p
}

// free may be called once nobody else holds the parcel.
func (p *parcel) free() {
	if cap(p.value) > largestRoom {
		return
	}
	p.ProducerMessage, p.value = sarama.ProducerMessage{}, p.value[:0]
	p.home.Put(p)
}

// Encode gives the value's bytes to sarama, again for each try to send them.
func (p *parcel) Encode() ([]byte, error) { return p.value, nil }

// Length is the value's, in bytes.
func (p *parcel) Length() int { return len(p.value) }

// delivery hands records to Kafka and counts what becomes of them.
type delivery struct {
	link
	explain func(error) kafkaconf.Cause
	metrics metrics
	log     *slog.Logger
	window  *semaphore.Weighted // the bytes under way
	counted chan struct{}       // closed when sarama has nothing more to say

	sent, skipped         uint64
	acknowledged, refused atomic.Uint64
}

func newDelivery(l link, explain func(error) kafkaconf.Cause, m metrics, log *slog.Logger) *delivery {
	d := &delivery{link: l, explain: explain, metrics: m, log: log, window: semaphore.NewWeighted(inFlight), counted: make(chan struct{})}
	go d.count()
	return d
}

// skip counts a message that could not be sealed.
func (d *delivery) skip() {
	d.skipped++
	d.metrics.records.WithLabelValues(outcomeFailed).Inc()
}

// send hands a record over. It waits while too much is under way, and gives up once hurry is done.
func (d *delivery) send(hurry context.Context, topic string, r record) {
	d.sent++
	d.metrics.queue.Inc()
	if d.window.Acquire(hurry, weight(r.parcel.Length())) != nil {
		return
	}
	r.parcel.Topic, r.parcel.Partition, r.parcel.Value = topic, r.partition, r.parcel
	select {
	case d.producer.Input() <- &r.parcel.ProducerMessage:
	case <-hurry.Done():
	}
}

// count follows sarama's answers until it is closed.
func (d *delivery) count() {
	defer close(d.counted)
	successes, failures := d.producer.Successes(), d.producer.Errors()
	var logged time.Time
	for successes != nil || failures != nil {
		var size int
		select {
		case success, more := <-successes:
			if !more {
				successes = nil
				continue
			}
			size = success.Value.Length()
			if done, ok := success.Value.(*parcel); ok {
				done.free()
			}
			d.acknowledged.Add(1)
			d.metrics.records.WithLabelValues(outcomeAcknowledged).Inc()
		case failure, more := <-failures:
			if !more {
				failures = nil
				continue
			}
			size = failure.Msg.Value.Length()
			d.refused.Add(1)
			d.metrics.records.WithLabelValues(outcomeFailed).Inc()
			if time.Since(logged) > time.Second { // one line stands for a whole batch
				logged = time.Now()
				d.log.Error("record not acknowledged", slog.Uint64("failed", d.refused.Load()), slog.String("cause", d.explain(failure.Err).String()))
			}
		}
		d.metrics.queue.Dec()
		d.window.Release(weight(size))
	}
}

// finish waits until every record has its answer or hurry is done, closes the link and sums up.
func (d *delivery) finish(hurry context.Context) Summary {
	if d.settle(hurry) {
		// Only now: closing sarama while it retries may fail records that it could still deliver.
		d.producer.AsyncClose()
		<-d.counted
		if err := d.client.Close(); err != nil {
			d.log.WarnContext(hurry, "closing the connection to Kafka failed", slog.Any("error", err))
		}
	} else {
		// sarama's retries end only one by one; nobody waits for them.
		d.producer.AsyncClose()
		go func() { _ = d.client.Close() }() //nolint:errcheck // nobody is left to tell
	}
	acknowledged, refused := d.acknowledged.Load(), d.refused.Load()
	if open := d.sent - acknowledged - refused; open > 0 {
		d.metrics.records.WithLabelValues(outcomeFailed).Add(float64(open))
		d.log.ErrorContext(hurry, "records not acknowledged in time", slog.Uint64("records", open))
	}
	return Summary{Sent: d.sent, Acknowledged: acknowledged, Failed: d.sent - acknowledged + d.skipped}
}

// settle says whether every record under way got its answer: then the whole window is free.
func (d *delivery) settle(hurry context.Context) bool {
	return d.window.Acquire(hurry, inFlight) == nil
}
