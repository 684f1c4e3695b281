package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
)

// session is one generation of the group.
type session struct {
	member      *Member
	client      sarama.Client
	query       *query.Client
	groupClient *groupClient
	topic       TopicID
	ctx         context.Context //nolint:containedctx // sarama's; its cause tells why the session ended
	lags        *lags
}

// Setup is called once, before the claims are read.
func (s *session) Setup(cgs sarama.ConsumerGroupSession) error {
	s.ctx = cgs.Context()
	s.groupClient.session.Store(&s.ctx)
	m := s.member
	claims := cgs.Claims()[m.cfg.Topic]
	s.topic = m.resetIfRecreated(cgs, s.query)
	s.query.Prefetch(claims)
	m.cfg.Handler.StartSession(cgs.Context(), s.query, s.topic, claims, m.appended.of)
	s.lags = newLags(m, s.query)
	go s.lags.run(cgs.Context())
	all, _ := s.client.Partitions(m.cfg.Topic) //nolint:errcheck // then the number of claims is used
	for _, partition := range m.assignment.startSession(claims, len(all)) {
		m.cfg.Metrics.DropLag(partition)
	}
	m.cfg.OnChange()
	m.cfg.Log.InfoContext(cgs.Context(), "reading", slog.String("topic", m.cfg.Topic),
		slog.Any("partitions", claims), slog.Int("generation", int(cgs.GenerationID())))
	return nil
}

// Cleanup is called once, after the last claim has returned.
func (s *session) Cleanup(sarama.ConsumerGroupSession) error {
	s.member.assignment.endSession()
	s.member.cfg.Handler.EndSession()
	s.member.cfg.Limiter.ResetBudget()
	return nil
}

// endCause returns why the session ended.
func (s *session) endCause() error {
	if s.ctx == nil {
		return nil
	}
	return context.Cause(s.ctx)
}

// ConsumeClaim reads one partition. It commits the offset of a batch only once the handler has processed it.
func (s *session) ConsumeClaim(cgs sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	partition, next := claim.Partition(), claim.InitialOffset()
	process := s.member.cfg.Handler.StartPartition(partition, next)
	s.lags.start(partition, next, claim.HighWaterMarkOffset)
	for queue := newQueue(cgs.Context(), claim.Messages()); ; {
		batch := queue.next()
		if len(batch) == 0 {
			return nil
		}
		started := time.Now()
		process(batch)
		queue.observe(time.Since(started))
		last := batch[len(batch)-1]
		s.member.assignment.partitionRead(partition)
		s.commit(cgs, last)
		s.lags.advance(partition, last.Offset+1)
	}
}
