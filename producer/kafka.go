package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// The producer waits hours for Kafka: it retries up to maxRetries times, at most maxBackoff apart. sarama allocates some
// bytes for each retry.
const (
	maxRetries = 10_000
	maxBackoff = 5 * time.Second
)

// forever is longer than any program runs.
const forever = 100 * 365 * 24 * time.Hour

// recordOverhead is what Kafka adds to the key and value of a record that is alone in its batch: 61 bytes of batch and at
// most 36 of record, as sarama counts them.
const recordOverhead = 61 + 36

// connection is a client of Kafka. Its connections close, and its retries end, when ctx does.
type connection struct {
	ctx    context.Context //nolint:containedctx // its end is the connection's
	end    context.CancelCauseFunc
	client sarama.Client
	conf   *sarama.Config // of the client
}

// connected is a new connection with its first producer.
type connected struct {
	*connection
	producer sarama.AsyncProducer
	maxValue int // bytes of a record's key and value that the topic takes
}

// await returns the result of call, or an error once ctx has ended: sarama takes no context, and may retry for hours.
func await[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := call()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// newProducer makes a producer whose batches hold a record of maxValue bytes.
func (c *connection) newProducer(maxValue int) (sarama.AsyncProducer, error) {
	conf := *c.conf
	conf.Producer.MaxMessageBytes = maxValue + recordOverhead
	return sarama.NewAsyncProducerFromClient(clientWithConfig{c.client, &conf})
}

// clientWithConfig is a client whose producer has another configuration than its connections.
type clientWithConfig struct {
	sarama.Client
	conf *sarama.Config
}

func (c clientWithConfig) Config() *sarama.Config { return c.conf }

// connect retries until Kafka has the topic and accepts a producer, or ctx ends.
func connect(ctx, drainCtx context.Context, cfg Config, s *status, log *slog.Logger) (connected, error) {
	idempotent := cfg.Idempotent()
	ended := func() error {
		if cause := s.lastCause(); cause != "" {
			return fmt.Errorf("%w: %s", ctx.Err(), cause)
		}
		return ctx.Err()
	}
	for n := 0; ; n++ {
		c, err := await(ctx, func() (connected, error) {
			c, err := open(drainCtx, cfg, idempotent, s, log)
			if err == nil && ctx.Err() != nil { // nobody waits for it any more
				err = errors.Join(ctx.Err(), c.producer.Close(), c.client.Close())
			}
			return c, err
		})
		if err == nil {
			log.InfoContext(ctx, "connected to Kafka", slog.String("topic", cfg.Topic), slog.Bool("idempotent", idempotent))
			s.recovered(ctx)
			return c, nil
		}
		if ctx.Err() != nil {
			return connected{}, ended()
		}
		if idempotent && rejectsIdempotence(err) {
			log.WarnContext(ctx, "broker refuses idempotent writes, a retry may repeat a record", slog.String("cause", cfg.Explain(err).String()))
			idempotent = false
			continue
		}
		s.report(ctx, err)
		if !sleep(ctx, kafkaconf.Backoff(n, maxBackoff)) {
			return connected{}, ended()
		}
	}
}

// rejectsIdempotence reports whether the broker denies idempotent writes or does not know them. Nothing else is weakened
// for any broker.
func rejectsIdempotence(err error) bool {
	return errors.Is(err, sarama.ErrClusterAuthorizationFailed) || errors.Is(err, sarama.ErrUnsupportedVersion)
}

func open(drainCtx context.Context, cfg Config, idempotent bool, s *status, log *slog.Logger) (c connected, err error) {
	// The first client fails at once, so that each failure is seen. The one that produces is patient.
	maxBatch, assumed, err := inspectTopic(cfg)
	if err != nil {
		return connected{}, err
	}
	if assumed != nil {
		log.InfoContext(drainCtx, "Kafka does not say how long a record may be", slog.Int("assumed", maxBatch), slog.String("cause", cfg.Explain(assumed).What))
	}
	c = connected{connection: new(connection), maxValue: maxBatch - recordOverhead}
	c.ctx, c.end = context.WithCancelCause(drainCtx)
	end := c.end
	defer func() {
		if err != nil {
			end(err)
		}
	}()
	conf, err := cfg.Sarama("e2ee-produce")
	if err != nil {
		return connected{}, err
	}
	cfg.Apply(conf)
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Producer.Idempotent = idempotent
	conf.Producer.Return.Successes = true
	conf.Producer.Partitioner = sarama.NewManualPartitioner // the partition is chosen before sealing
	conf.Net.MaxOpenRequests = 1                            // keeps the order, even without idempotence
	conf.Producer.Retry.Max = maxRetries
	conf.Producer.Retry.BackoffFunc = func(n, _ int) time.Duration {
		if c.ctx.Err() != nil { // nobody waits for the result any more
			return 0
		}
		return kafkaconf.Backoff(n, maxBackoff)
	}
	conf.Metadata.Retry.Max = maxRetries
	conf.Metadata.Timeout = forever
	conf.Metadata.Retry.BackoffFunc = func(n, _ int) time.Duration {
		if c.ctx.Err() != nil {
			return 2 * forever // over the timeout, which ends the retries at once
		}
		s.metadataFailed()
		return kafkaconf.Backoff(n, maxBackoff)
	}
	wrap := func(conn net.Conn) net.Conn {
		return kafkaconf.ObserveProduce(c.guard(conn, &s.inFlight), s.partitionResult)
	}
	if err := kafkaconf.Wrap(conf, wrap); err != nil {
		return connected{}, err
	}
	if c.client, err = sarama.NewClient(cfg.Brokers, conf); err != nil {
		return connected{}, err
	}
	if _, err := c.client.Partitions(cfg.Topic); err != nil { // cached, so that nothing waits for it later
		return connected{}, errors.Join(err, c.client.Close())
	}
	c.conf = conf
	if c.producer, err = c.newProducer(c.maxValue); err != nil {
		return connected{}, errors.Join(err, c.client.Close())
	}
	return c, nil
}

// newProbe makes a client that does not retry.
func newProbe(cfg Config, createTopic bool) (sarama.Client, error) {
	conf, err := cfg.Sarama("e2ee-produce")
	if err != nil {
		return nil, err
	}
	conf.Metadata.Retry.Max = 0
	conf.Metadata.AllowAutoTopicCreation = createTopic
	return sarama.NewClient(cfg.Brokers, conf)
}

// probeTopic returns why the topic cannot be written to now; nil if no reason is found. It does not create the topic, so
// that a deleted topic is noticed.
func probeTopic(cfg Config) error {
	client, err := newProbe(cfg, false)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // the result is known
	return client.RefreshMetadata(cfg.Topic)
}

// inspectTopic returns the size of the largest batch that the topic takes, or why it cannot be written to now. If the
// broker does not report the size, the result is sarama's default, and assumed is the reason.
func inspectTopic(cfg Config) (maxBatch int, assumed, err error) {
	client, err := newProbe(cfg, true)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.RefreshMetadata(cfg.Topic); err != nil {
		return 0, nil, err
	}
	if maxBatch = cfg.BatchLimit(); maxBatch > 0 {
		return maxBatch, nil, nil
	}
	if maxBatch, assumed = topicBatchLimit(client, cfg.Topic); assumed != nil {
		// A broker may deny the query to us, or not know it. sarama's own limit is below every usual one.
		return client.Config().Producer.MaxMessageBytes, assumed, nil
	}
	return maxBatch, nil, nil
}

// queryMaxValue asks how many bytes a record's key and value may have, until drainCtx ends.
func queryMaxValue(drainCtx context.Context, cfg Config) (maxValue int, err error) {
	maxBatch, err := await(drainCtx, func() (int, error) {
		found, assumed, err := inspectTopic(cfg)
		return found, cmp.Or(err, assumed)
	})
	return maxBatch - recordOverhead, err
}

// topicBatchLimit returns the topic's max.message.bytes, but no more than a record of the longest message needs.
func topicBatchLimit(client sarama.Client, topic string) (int, error) {
	const name = "max.message.bytes"
	value, err := topicConfig(client, topic, name)
	if err != nil {
		return 0, err
	}
	limit, err := strconv.Atoi(value)
	if err != nil || limit <= recordOverhead {
		return 0, errors.New("asking for " + name + ": no usable answer")
	}
	return min(limit, 2*envelope.MaxMessage), nil
}
