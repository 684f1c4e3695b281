package producer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/semaphore"

	"kafka-e2ee/kafkaconf"
)

// maxInFlight limits the records in flight, in bytes. At the limit the source waits. That bounds the memory, because sarama
// itself buffers without limit while a broker is away.
const maxInFlight = 16 << 20

// delivery seals the messages of the formats whose records expire, sends records to Kafka and counts the results.
type delivery struct {
	cfg     Config
	sealer  *sealer
	status  *status
	metrics metrics
	log     *slog.Logger
	window  *semaphore.Weighted // bytes in flight
	batches sentBatchPool

	connect func(ctx context.Context) (connected, error)
	current atomic.Pointer[connection]

	// The turn is held by whoever uses or replaces the connection's producer, so that records are sealed in the order in
	// which they are sent.
	turn     *semaphore.Weighted
	producer sarama.AsyncProducer // nil once it is closed
	maxValue int                  // the producer's limit
	counted  chan struct{}        // closed when every result of the producer was counted

	stopRenewing context.CancelFunc
	renewing     sync.WaitGroup

	sent, skipped uint64
	refused       atomic.Uint64
	gaveUp        atomic.Bool // the time to finish is over: what is open counts as failed
	loggedAt      time.Time   // the latest line about a record that failed
}

// newDelivery uses the first connection, and those that connect makes, until drainCtx ends.
func newDelivery(drainCtx context.Context, first connected, connect func(context.Context) (connected, error), sealer *sealer, s *status, log *slog.Logger) *delivery {
	d := &delivery{
		cfg: sealer.cfg, sealer: sealer, status: s, metrics: sealer.metrics, log: log, connect: connect,
		window: semaphore.NewWeighted(maxInFlight), turn: semaphore.NewWeighted(1),
	}
	d.use(first)
	var ctx context.Context
	ctx, d.stopRenewing = context.WithCancel(drainCtx)
	d.renewing.Go(func() { d.watchExpiry(ctx) })
	d.renewing.Go(func() { d.renewConnections(ctx, drainCtx) })
	return d
}

// use uses a new connection.
func (d *delivery) use(next connected) {
	d.current.Store(next.connection)
	d.producer, d.maxValue = next.producer, next.maxValue
	d.startCounting()
}

func (d *delivery) conn() *connection { return d.current.Load() }

func (d *delivery) partitioner() *partitioner {
	return &partitioner{
		writable: func() ([]int32, error) { return d.conn().client.WritablePartitions(d.cfg.Topic) },
		all:      func() ([]int32, error) { return d.conn().client.Partitions(d.cfg.Topic) },
		onWait:   d.status.inFlight.waitForPartition,
	}
}

// startCounting counts the results of the current producer.
func (d *delivery) startCounting() {
	conn, producer, counted := d.conn(), d.producer, make(chan struct{})
	d.counted = counted
	go func() {
		defer close(counted)
		var both sync.WaitGroup
		both.Go(func() {
			for message := range producer.Successes() {
				d.count(message, nil)
			}
		})
		both.Go(func() {
			for failure := range producer.Errors() {
				// Otherwise the message is sealed again, or sarama gives it up because it is closed, which is not its cause.
				if !conn.expired() && !d.gaveUp.Load() {
					d.count(failure.Msg, failure.Err)
				}
			}
		})
		both.Wait()
	}()
}

// skip counts a message that could not be sealed.
func (d *delivery) skip() {
	d.skipped++
	d.metrics.failed.Inc()
}

// send sends the messages of a batch, except those with an error. It waits while too much is in flight, and gives up when
// drainCtx ends. It stores why a message cannot be sealed.
//
// All are sealed before the first is handed over: that takes less time, and sarama's requests become larger.
func (d *delivery) send(drainCtx context.Context, records []record) {
	count, weight := 0, int64(0)
	for _, r := range records {
		if r.err == nil {
			count++
			weight += int64(max(d.sealer.size(r.text, r.key), minWeight))
		}
	}
	if count == 0 {
		return
	}
	batch := d.batches.get(count, weight)
	for i := range records {
		if r := &records[i]; r.err == nil {
			r.sent = batch.add(r, d.cfg.OnStored != nil)
		}
	}
	d.sent += uint64(count)
	d.status.inFlight.add(batch)
	for {
		if d.window.Acquire(drainCtx, batch.weight) != nil || d.turn.Acquire(drainCtx, 1) != nil {
			return
		}
		if d.producer != nil && d.maxValue == d.sealer.current.Load().maxValue {
			break
		}
		d.turn.Release(1)
		d.window.Release(batch.weight)
		if !d.replaceProducer(drainCtx) {
			return
		}
	}
	defer d.turn.Release(1)
	d.seal(drainCtx, records)
	for _, r := range records {
		switch {
		case r.sent == nil:
		case r.err == nil:
			d.hand(r.sent)
		default:
			d.sent--
			d.remove(r.sent)
		}
	}
}

// seal seals the messages of a batch, if their records were not sealed ahead. It is called with the turn held.
func (d *delivery) seal(drainCtx context.Context, records []record) {
	if !isDated(d.cfg.Format) {
		return
	}
	usable := d.sealer.keys.wait(drainCtx)
	start := time.Now()
	for i := range records {
		r := &records[i]
		if r.err == nil {
			r.err = usable
		}
		if r.err == nil {
			r.err = r.sent.batch.seal(d.sealer, r)
		}
	}
	d.metrics.seal.Observe(time.Since(start).Seconds() / float64(len(records)))
	d.status.inFlight.sealed(records)
}

// hand hands a sealed message to sarama. It is called with the turn held.
func (d *delivery) hand(m *sentRecord) {
	m.ProducerMessage = sarama.ProducerMessage{Topic: d.cfg.Topic, Partition: m.partition, Value: m}
	if m.key != nil {
		m.Key = sarama.ByteEncoder(m.key)
	}
	m.handed = true
	select {
	case d.producer.Input() <- &m.ProducerMessage:
	case <-d.conn().ctx.Done(): // renew hands it over again, or nobody waits for it any more
	}
}

// remove removes a record that sarama does not hold from those in flight.
func (d *delivery) remove(m *sentRecord) {
	clear(m.text)
	if batch := d.status.inFlight.remove(m); batch != nil {
		weight := batch.weight
		d.batches.put(batch)
		d.window.Release(weight)
	}
}

// replaceProducer makes a producer with the sealer's limit. Every record in flight gets its result first, so that the
// order stays. It returns false if drainCtx ends.
func (d *delivery) replaceProducer(drainCtx context.Context) bool {
	if !d.flush(drainCtx) {
		return false
	}
	defer d.window.Release(maxInFlight)
	if d.turn.Acquire(drainCtx, 1) != nil {
		return false
	}
	defer d.turn.Release(1)
	if d.conn().expired() {
		return true // renew makes the next producer
	}
	d.closeProducer()
	select {
	case <-d.counted: // at once, because nothing is in flight
	case <-drainCtx.Done():
		return false
	}
	maxValue := d.sealer.current.Load().maxValue
	for n := 0; ; n++ {
		next, err := await(drainCtx, func() (sarama.AsyncProducer, error) { return d.conn().newProducer(maxValue) })
		if err == nil {
			d.producer, d.maxValue = next, maxValue
			d.startCounting()
			d.log.InfoContext(drainCtx, "the topic takes records of another length now", slog.Int("bytes", maxValue))
			return true
		}
		if drainCtx.Err() == nil {
			d.status.report(drainCtx, err)
		}
		if !sleep(drainCtx, kafkaconf.Backoff(n, maxBackoff)) {
			return false
		}
	}
}

// count counts the result of a record. err is nil if Kafka has stored it.
func (d *delivery) count(message *sarama.ProducerMessage, err error) {
	m, _ := message.Value.(*sentRecord) //nolint:errcheck // hand hands over nothing else
	if err == nil {
		if d.cfg.OnStored != nil {
			d.cfg.OnStored(message.Partition, message.Offset, m.text, m.value)
		}
		d.sealer.stored(m)
		d.status.acknowledged.Add(1)
		d.remove(m)
		return
	}
	d.sealer.repeatHeader()
	d.metrics.failed.Inc()
	d.refused.Add(1)
	cause := d.status.recordFailed(err)
	if errors.Is(err, sarama.ErrMessageSizeTooLarge) {
		d.sealer.limitStale.Store(true)
	}
	if time.Since(d.loggedAt) > time.Second { // one line for a whole batch
		d.loggedAt = time.Now()
		d.log.Error("record not acknowledged", slog.Uint64("failed", d.refused.Load()), slog.String("cause", cause.String()))
	}
	d.remove(m)
}

// finish waits until every record has its result or drainCtx ends, closes the connection and returns the counts.
func (d *delivery) finish(drainCtx context.Context) Summary {
	flushed := d.flush(drainCtx)
	d.gaveUp.Store(!flushed)
	d.stopRenewing()
	d.renewing.Wait()
	d.closeProducer() // not before: sarama may fail records when it is closed during a retry
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if flushed { // otherwise sarama's retries end one by one, and only after its client is closed
			<-d.counted
		}
		d.closeClient(drainCtx)
	}()
	if flushed {
		select {
		case <-closed:
		case <-drainCtx.Done():
		case <-time.After(gracePeriod): // Kafka has every record, so there is nothing left to lose
		}
	}
	acknowledged, refused := d.status.acknowledged.Load(), d.refused.Load()
	if open := d.sent - acknowledged - refused; open > 0 {
		d.metrics.failed.Add(float64(open))
		d.log.ErrorContext(drainCtx, "records not acknowledged in time", slog.Uint64("records", open))
	}
	return Summary{Sent: d.sent, Acknowledged: acknowledged, Failed: d.sent - acknowledged + d.skipped}
}

// closeProducer starts to close the producer, unless it is closed.
func (d *delivery) closeProducer() {
	if d.producer != nil {
		d.producer.AsyncClose()
		d.producer = nil
	}
}

// closeClient closes the connection, unless it is closed.
func (d *delivery) closeClient(ctx context.Context) {
	if err := d.conn().client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		d.log.WarnContext(ctx, "closing the connection to Kafka failed", slog.Any("error", err))
	}
}

// flush waits until every record in flight has its result, and then holds the whole window. It returns false if drainCtx
// ends.
func (d *delivery) flush(drainCtx context.Context) bool {
	return d.window.Acquire(drainCtx, maxInFlight) == nil
}
