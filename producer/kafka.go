package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// Kafka away for hours is waited out: this many tries, at most slowest apart. sarama holds some bytes for each.
const (
	tries   = 10_000
	slowest = 5 * time.Second
)

// link is a connection to Kafka that produces.
type link struct {
	client   sarama.Client
	producer sarama.AsyncProducer
	room     int // most bytes of a record's value
	err      error
}

// chooser draws among the topic's partitions.
func (l link) chooser(topic string) *chooser {
	return &chooser{partitions: func() ([]int32, error) { return l.client.WritablePartitions(topic) }}
}

// connect tries until Kafka has the topic and accepts a producer, or ctx is done.
func connect(ctx, hurry context.Context, cfg Config, log *slog.Logger) (link, error) {
	idempotent := cfg.Idempotent()
	for n := 0; ; n++ {
		opened := make(chan link, 1)
		go func() { opened <- open(hurry, cfg, idempotent, log) }()
		var l link
		select {
		case l = <-opened:
		case <-ctx.Done():
			// sarama knows no context: leave it behind, and close what it may still bring.
			go func() { (<-opened).abandon() }()
			return link{}, ctx.Err()
		}
		if l.err == nil {
			log.InfoContext(ctx, "connected to Kafka", slog.String("topic", cfg.Topic), slog.Bool("idempotent", idempotent))
			return l, nil
		}
		if idempotent && refusesIdempotence(l.err) {
			log.WarnContext(ctx, "broker refuses idempotent writes, a retry may repeat a record", slog.String("cause", cfg.Explain(l.err).String()))
			idempotent = false
			continue
		}
		wait := kafkaconf.Backoff(n, slowest)
		log.WarnContext(ctx, "Kafka is not ready, trying again", slog.String("topic", cfg.Topic), slog.String("wait", wait.Round(time.Millisecond).String()), slog.String("cause", cfg.Explain(l.err).String()))
		if !realClock().sleep(ctx, wait) {
			return link{}, fmt.Errorf("%w: %s", ctx.Err(), cfg.Explain(l.err))
		}
	}
}

// refusesIdempotence says whether the broker denies the right to it, or does not know it. Nothing else is weakened for any broker.
func refusesIdempotence(err error) bool {
	return errors.Is(err, sarama.ErrClusterAuthorizationFailed) || errors.Is(err, sarama.ErrUnsupportedVersion)
}

func open(hurry context.Context, cfg Config, idempotent bool, log *slog.Logger) link {
	// First a look with a client that gives up at once, so that each failure is seen; the one that produces is patient.
	most, err := look(cfg, log)
	if err != nil {
		return link{err: err}
	}
	c, err := cfg.Sarama("e2ee-produce")
	if err != nil {
		return link{err: err}
	}
	cfg.Apply(c)
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = idempotent
	c.Producer.Return.Successes = true
	c.Producer.MaxMessageBytes = most
	c.Producer.Partitioner = sarama.NewManualPartitioner // chosen before sealing
	c.Net.MaxOpenRequests = 1                            // keeps the order, also without idempotence
	c.Producer.Retry.Max = tries
	c.Producer.Retry.BackoffFunc = func(n, _ int) time.Duration { return pause(hurry, n) }
	c.Metadata.Retry.Max = tries
	c.Metadata.Retry.BackoffFunc = func(n, _ int) time.Duration {
		wait := pause(hurry, n)
		if wait > 0 {
			why := "no broker answers"
			if failed := kafkaconf.LastFailure(c); failed != nil {
				why = cfg.Explain(failed).String()
			}
			log.WarnContext(hurry, "Kafka is away, trying again", slog.String("wait", wait.Round(time.Millisecond).String()), slog.String("cause", why))
		}
		return wait
	}
	client, err := sarama.NewClient(cfg.Brokers, c)
	if err != nil {
		return link{err: err}
	}
	if _, err := client.Partitions(cfg.Topic); err != nil { // now, so that nothing waits for it later
		return link{err: errors.Join(err, client.Close())}
	}
	producer, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return link{err: errors.Join(err, client.Close())}
	}
	return link{client: client, producer: producer, room: most - framing}
}

// pause is the wait before a retry; none once nobody waits for its outcome.
func pause(hurry context.Context, n int) time.Duration {
	if hurry.Err() != nil {
		return 0
	}
	return kafkaconf.Backoff(n, slowest)
}

// framing is what Kafka adds to the value of a record that is alone in its batch: 61 bytes of batch and at most 36 of
// record, as sarama reckons.
const framing = 61 + 36

// look says why the topic cannot be written to now, or else how many bytes of a batch it takes.
func look(cfg Config, log *slog.Logger) (most int, err error) {
	c, err := cfg.Sarama("e2ee-produce")
	if err != nil {
		return 0, err
	}
	c.Metadata.Retry.Max = 0
	client, err := sarama.NewClient(cfg.Brokers, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.RefreshMetadata(cfg.Topic); err != nil {
		return 0, err
	}
	if most = cfg.BatchLimit(); most > 0 {
		return most, nil
	}
	if most, err = batchLimit(client, cfg.Topic); err != nil {
		// A broker may deny the question to us, or not know it; sarama's own limit is below every usual one.
		log.Info("Kafka does not say how long a record may be", slog.Int("assumed", c.Producer.MaxMessageBytes), slog.String("cause", cfg.Explain(err).What))
		return c.Producer.MaxMessageBytes, nil
	}
	return most, nil
}

// batchLimit asks for the topic's max.message.bytes. More than a record of the longest message needs is of no use.
func batchLimit(client sarama.Client, topic string) (int, error) {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return 0, err
	}
	answers, err := admin.DescribeConfigs([]*sarama.ConfigResource{{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"max.message.bytes"},
	}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return 0, err
	}
	for _, answer := range answers {
		if answer.ErrorCode != sarama.ErrNoError {
			return 0, answer.ErrorCode
		}
		for _, entry := range answer.Configs {
			if limit, err := strconv.Atoi(entry.Value); err == nil && entry.Name == "max.message.bytes" && limit > framing {
				return min(limit, 2*envelope.MaxMessage), nil
			}
		}
	}
	return 0, errors.New("asking for max.message.bytes: no answer")
}

// abandon frees a link that nobody waits for any more.
func (l link) abandon() {
	if l.err != nil {
		return
	}
	l.producer.AsyncClose()
	<-l.producer.Errors() // closed once it is down; nothing was sent, so nothing else comes
	_ = l.client.Close()  //nolint:errcheck // nobody is left to tell
}
