package consumer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web"
)

// reader is a member of the consumer group for as long as the program runs.
// Whatever ends a session, a rebalance, a broker that is gone, a topic that
// does not exist, is shown as a state, and a new session is tried.
type reader struct {
	cfg     Config
	sarama  *sarama.Config
	feed    *web.Feed
	trusted []envelope.TrustedSender
	keys    *keys
	metrics *metrics
	log     *slog.Logger

	status     atomic.Pointer[web.KafkaStatus]
	topic      atomic.Pointer[sarama.Uuid] // the id of the topic that is read
	opening    atomic.Pointer[opening]
	gate       sync.RWMutex // held for writing while the keys change
	partitions partitions
	share      share
}

// lastRetry is the longest wait before Kafka is tried again.
const lastRetry = 15 * time.Second

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	for try := 0; ctx.Err() == nil; try++ {
		started := time.Now()
		err := r.member(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > lastRetry {
			try = 0 // it had worked for a while
		}
		wait := kafkaconf.Backoff(try, lastRetry)
		r.report(err)
		r.log.WarnContext(ctx, "not reading from Kafka", slog.String("cause", r.explain(err).String()), slog.String("retry_in", wait.Round(time.Millisecond).String()))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// member joins the group and handles sessions until one cannot be had.
func (r *reader) member(ctx context.Context) error {
	client, err := sarama.NewClient(r.cfg.Brokers, r.sarama)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // there is nothing to save: offsets are committed as a session ends
	group, err := sarama.NewConsumerGroupFromClient(r.cfg.Group, led{client})
	if err != nil {
		return err
	}
	defer group.Close() //nolint:errcheck // as above

	// Fetch errors arrive beside the session. One that says that the topic is
	// gone, or not ours to read any more, ends it: sarama itself would ask for the
	// old partitions for ever, and nothing would tell when that works again.
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	go func() {
		for err := range group.Errors() {
			r.report(err)
			if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrTopicAuthorizationFailed) {
				leave(err)
			}
		}
	}()
	go r.watchTopic(ctx, client, leave)
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{r.cfg.Topic}, &session{reader: r, client: client}); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// report says on the page and in /readyz what is true of Kafka.
func (r *reader) report(err error) {
	status := &web.KafkaStatus{Topic: r.cfg.Topic, Since: time.Now()}
	switch {
	case err == nil:
		status.State = web.KafkaReading
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		status.State = web.KafkaNoTopic
	default:
		cause := r.explain(err)
		status.State, status.Cause, status.Check = web.KafkaUnreachable, cause.What, cause.Check
		if cause.Refused {
			status.State = web.KafkaRefused
		}
	}
	if old := r.status.Load(); old != nil && old.State == status.State {
		status.Since = old.Since
	}
	r.status.Store(status)
	r.feed.Changed()
}

// reachable ends the state that a failed fetch has left behind: sarama goes on by
// itself where the session outlives the failure.
func (r *reader) reachable() {
	if r.status.Load().State == web.KafkaUnreachable {
		r.report(nil)
	}
}

// explain says why the reading ended, and what to look at.
func (r *reader) explain(err error) kafkaconf.Cause {
	switch {
	case err == nil:
		return kafkaconf.Cause{What: "the session ended", Check: "the brokers' logs, if it does so again"}
	case errors.Is(err, errTopicReplaced):
		return kafkaconf.Cause{What: err.Error(), Check: "who made it"}
	case errors.Is(err, sarama.ErrClosedConsumerGroup), errors.Is(err, sarama.ErrClosedClient):
		return kafkaconf.Cause{What: "connection closed", Check: "BROKERS"}
	}
	return r.cfg.Explain(err)
}

// session is one generation of the group: the partitions stay the same.
type session struct {
	reader  *reader
	client  sarama.Client
	history *history
}

// Setup is called once per session, before the claims are read.
func (s *session) Setup(cgs sarama.ConsumerGroupSession) error {
	s.reader.startOver(cgs, s.client)
	claims := cgs.Claims()[s.reader.cfg.Topic]
	s.history = newHistory(s.reader, s.client, len(claims))
	if all, err := s.client.Partitions(s.reader.cfg.Topic); err == nil {
		some, _ := s.client.WritablePartitions(s.reader.cfg.Topic) //nolint:errcheck // then there are none
		s.reader.share.begin(claims, len(all), len(all)-len(some))
		if len(some) < len(all) {
			s.reader.log.WarnContext(cgs.Context(), "not every partition has a leader: these wait", slog.Int("partitions", len(all)), slog.Int("led", len(some)))
		}
	}
	s.reader.report(nil)
	s.reader.log.InfoContext(cgs.Context(), "reading", slog.String("topic", s.reader.cfg.Topic),
		slog.Any("partitions", claims), slog.Int("generation", int(cgs.GenerationID())))
	return nil
}

// Cleanup is called once per session, after the last claim has returned.
func (s *session) Cleanup(cgs sarama.ConsumerGroupSession) error {
	s.reader.share.end()
	for topic, partitions := range cgs.Claims() {
		for _, p := range partitions {
			s.reader.metrics.dropLag(topic, p)
		}
	}
	return nil
}

// ConsumeClaim is the record's way for one partition: take what is there, open
// it, hand it to the feed, and only then mark it for commit.
func (s *session) ConsumeClaim(cgs sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	r := s.reader
	if !s.history.load(cgs.Context(), claim) {
		return nil // the session has ended: the next one reads it
	}
	r.from(claim.Partition(), claim.InitialOffset())
	var w work
	for queue := newQueue(cgs.Context(), claim.Messages()); ; {
		batch := queue.next()
		if len(batch) == 0 {
			return nil
		}
		started := time.Now()
		r.show(&w, batch)
		r.reachable()
		queue.took(time.Since(started))
		last := batch[len(batch)-1]
		cgs.MarkMessage(last, "")
		lag := claim.HighWaterMarkOffset() - last.Offset - 1
		r.share.behind(claim.Partition(), lag)
		r.metrics.setLag(claim.Topic(), claim.Partition(), lag)
	}
}

// work is room for a batch, to be used again for the next one.
type work struct {
	records []opened
	shown   []*web.Record
}

// show opens a batch and puts it into the feed.
func (r *reader) show(w *work, batch []*sarama.ConsumerMessage) {
	r.gate.RLock()
	defer r.gate.RUnlock()
	w.records = r.opening.Load().all(batch, w.records)
	r.partitions.follow(w.records)
	r.metrics.sawBatch(w.records)
	w.shown = w.shown[:0]
	unknown := false // a record may be for a key that is in the vault by now; the format rsa names none
	for _, o := range w.records {
		w.shown = append(w.shown, o.record)
		unknown = unknown || o.record.State == web.StateUnknownKey || o.record.State == web.StateUndecryptable && o.msg.Format == envelope.FormatRSA
	}
	r.feed.Append(w.shown...)
	if unknown {
		r.keys.look()
	}
}

// from says at which offset a partition will be read on.
func (r *reader) from(partition int32, offset int64) {
	r.gate.RLock()
	defer r.gate.RUnlock()
	r.partitions.of(partition).from(offset)
}
