package consumer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

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
	opening *opening
	keys    *keys
	metrics *metrics
	log     *slog.Logger

	status atomic.Pointer[web.KafkaStatus]
	seen   positions                   // the next offset of every partition this process read
	topic  atomic.Pointer[sarama.Uuid] // the id of the topic that this process reads
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
		r.log.WarnContext(ctx, "not reading from Kafka", slog.String("cause", cause(err)), slog.Duration("retry_in", wait))
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
	group, err := sarama.NewConsumerGroupFromClient(r.cfg.Group, client)
	if err != nil {
		return err
	}
	defer group.Close() //nolint:errcheck // as above

	// Fetch errors arrive beside the session. One that says that the topic is
	// gone ends it: sarama itself would ask for the old partitions for ever.
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	go func() {
		for err := range group.Errors() {
			r.report(err)
			if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
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
		status.State, status.Cause = web.KafkaUnreachable, cause(err)
	}
	if old := r.status.Load(); old != nil && old.State == status.State {
		status.Since = old.Since
	}
	r.status.Store(status)
	r.feed.Changed()
}

// cause puts an error of sarama's or the network's into fixed words: its own
// text could carry bytes that a broker chose.
func cause(err error) string {
	var dns *net.DNSError
	var refusal sarama.KError
	var opErr *net.OpError
	switch {
	case err == nil:
		return "the session ended"
	case errors.As(err, &dns):
		return "host name not found"
	case errors.As(err, &refusal):
		return refusal.Error() // one of sarama's constants
	case errors.Is(err, errTopicReplaced):
		return err.Error()
	case errors.Is(err, sarama.ErrOutOfBrokers):
		return "no broker answers"
	case errors.As(err, &opErr):
		return "connection refused or lost"
	case errors.Is(err, sarama.ErrClosedConsumerGroup), errors.Is(err, sarama.ErrClosedClient):
		return "connection closed"
	default:
		return "connection lost"
	}
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
	s.reader.report(nil)
	s.reader.log.InfoContext(cgs.Context(), "reading", slog.String("topic", s.reader.cfg.Topic),
		slog.Any("partitions", claims), slog.Int("generation", int(cgs.GenerationID())))
	return nil
}

// Cleanup is called once per session, after the last claim has returned.
func (s *session) Cleanup(cgs sarama.ConsumerGroupSession) error {
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
	s.history.load(cgs.Context(), claim)
	batch := make([]*sarama.ConsumerMessage, 0, maxBatch)
	for {
		batch = take(cgs.Context(), claim.Messages(), batch[:0])
		if len(batch) == 0 {
			return nil
		}
		r.show(batch)
		last := batch[len(batch)-1]
		r.seen.set(claim.Partition(), last.Offset+1)
		cgs.MarkMessage(last, "")
		r.metrics.setLag(claim.Topic(), claim.Partition(), claim.HighWaterMarkOffset()-last.Offset-1)
	}
}

// show opens a batch and puts it into the feed. Keys that arrive while it is
// being opened are not missed: the feed is then gone through once more.
func (r *reader) show(batch []*sarama.ConsumerMessage) {
	ring := r.keys.ring.Load()
	records := r.opening.all(batch)
	r.metrics.sawBatch(records)
	r.feed.Append(records...)
	if r.keys.ring.Load() != ring {
		r.feed.Reopen(r.opening.reopen)
	}
}

// maxBatch keeps the cores busy to the last record of a batch, and the page
// waiting for a batch of private-key operations well under a second.
const maxBatch = 128

// take waits for one message and adds those that are there already. It returns
// none when the claim or the session has ended.
func take(ctx context.Context, messages <-chan *sarama.ConsumerMessage, batch []*sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	select {
	case <-ctx.Done():
		return nil
	case m, ok := <-messages:
		if !ok {
			return nil
		}
		batch = append(batch, m)
	}
	for len(batch) < cap(batch) {
		select {
		case m, ok := <-messages:
			if !ok {
				return batch
			}
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// positions remembers how far each partition was read by this process.
type positions struct {
	mu   sync.Mutex
	next map[int32]int64
}

func (p *positions) set(partition int32, next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = make(map[int32]int64)
	}
	p.next[partition] = next
}

func (p *positions) get(partition int32) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[partition]
}
