package group

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

func (c Config) explain(err error) kafkaconf.Cause { return Explain(c.Kafka, err) }

// Explain returns the cause of an error from Kafka, and what to check.
func Explain(s kafkaconf.Settings, err error) kafkaconf.Cause {
	switch {
	case err == nil:
		return kafkaconf.Cause{Code: kafkaconf.SessionEnded, What: "the session ended", Hint: "the brokers' logs, if it does so again"}
	case errors.Is(err, errTopicRecreated):
		return kafkaconf.Cause{Code: kafkaconf.TopicRecreated, What: err.Error(), Hint: "TOPIC, if it lasts"}
	case errors.Is(err, sarama.ErrClosedConsumerGroup), errors.Is(err, sarama.ErrClosedClient):
		return kafkaconf.Cause{Code: kafkaconf.Disconnected, What: "connection closed", Hint: "BROKERS"}
	case errors.Is(err, sarama.ErrLeaderNotAvailable):
		cause := s.Explain(err)
		cause.Refused = false // the client found no leader to ask, so no broker has refused
		return cause
	case errors.Is(err, sarama.ErrNotConnected): // another request met the end of the connection
		err = io.EOF
	}
	return s.Explain(err)
}

// watchErrors records and logs errors during sessions. It ends the session for an error that concerns the whole topic.
func (m *Member) watchErrors(ctx context.Context, errs <-chan error, leave context.CancelCauseFunc) {
	var limit logLimiter
	for err := range errs {
		partition := int32(-1)
		if of, ok := errors.AsType[*sarama.ConsumerError](err); ok {
			partition = of.Partition
			if !concernsGroup(of.Err) {
				m.assignment.partitionFailed(partition, of.Err)
			}
		}
		if cause := m.cfg.explain(err).String(); limit.allows(cause, time.Now()) {
			m.cfg.Log.WarnContext(ctx, "Kafka failed", slog.Int("partition", int(partition)), slog.String("cause", cause))
		}
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrTopicAuthorizationFailed) {
			leave(err)
		}
	}
}

// concernsGroup reports whether an error is about the member or about a commit. sarama may report it for a partition,
// which can still be read.
func concernsGroup(err error) bool {
	return slices.ContainsFunc([]sarama.KError{
		sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrRebalanceInProgress, sarama.ErrFencedInstancedId,
		sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress,
		sarama.ErrGroupAuthorizationFailed, sarama.ErrOffsetMetadataTooLarge, sarama.ErrInvalidCommitOffsetSize,
	}, func(code sarama.KError) bool { return errors.Is(err, code) })
}

// logLimiter allows each text once a minute. It remembers few texts, because brokers choose parts of them.
type logLimiter map[string]time.Time

const (
	logRepeatInterval = time.Minute
	maxLogTexts       = 100
)

func (l *logLimiter) allows(text string, now time.Time) bool {
	if last, known := (*l)[text]; known && now.Sub(last) < logRepeatInterval {
		return false
	}
	if len(*l) >= maxLogTexts || *l == nil {
		*l = make(logLimiter)
	}
	(*l)[text] = now
	return true
}
