package group

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
)

// A topic that is deleted and recreated under the same name starts from offset 0. Continuing at an offset of the old
// topic would skip the first records of the new one. Only the topic's id (KIP-516) tells the two apart.

// TopicID is Kafka's id of a topic. It is zero if the brokers do not report one, as before Kafka 2.8 and at Event Hubs.
type TopicID [16]byte

// errTopicRecreated ends a session whose offsets are those of a deleted topic.
var errTopicRecreated = errors.New("the topic was recreated")

// topicCheckInterval is how often the topic's id is checked.
const topicCheckInterval = 5 * time.Second

// fetchTopicID asks a broker for the id. ok is false if the broker does not answer, or has no such topic.
func (m *Member) fetchTopicID(broker *sarama.Broker) (id TopicID, ok bool) {
	response, err := broker.GetMetadata(sarama.NewMetadataRequest(m.groupConfig.Version, []string{m.cfg.Topic}))
	if err != nil || len(response.Topics) != 1 || response.Topics[0].Err != sarama.ErrNoError {
		return id, false
	}
	return TopicID(response.Topics[0].Uuid), true
}

// watchTopic ends the session if the topic is recreated.
func (m *Member) watchTopic(ctx context.Context, client sarama.Client, leave context.CancelCauseFunc) {
	tick := time.NewTicker(topicCheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		broker := client.LeastLoadedBroker()
		if broker == nil {
			continue
		}
		id, ok := m.fetchTopicID(broker)
		if !ok {
			continue
		}
		if id != (TopicID{}) && !m.topic.CompareAndSwap(nil, &id) && *m.topic.Load() != id {
			leave(errTopicRecreated)
			return
		}
	}
}

// resetIfRecreated returns the topic's id. If the offsets of this process, or the group's committed ones, belong to
// another topic, it makes the session start from the first records.
func (m *Member) resetIfRecreated(cgs sarama.ConsumerGroupSession, q *query.Client) TopicID {
	claims := cgs.Claims()[m.cfg.Topic]
	var id TopicID
	coordinator, err := q.Coordinator(m.cfg.Group) // it has just answered
	ok := err == nil
	if ok {
		id, ok = m.fetchTopicID(coordinator)
	}
	before := m.topic.Load()
	if !ok && before != nil {
		id = *before // watchTopic checks it later
	}
	stale := claims
	if !ok || id == (TopicID{}) || before == nil || *before == id {
		stale = m.staleCommits(cgs.Context(), q, claims, id)
	}
	if id != (TopicID{}) {
		m.topic.Store(&id)
	}
	if len(stale) > 0 {
		m.cfg.Log.WarnContext(cgs.Context(), "the topic was recreated: reading it from its start", slog.String("topic", m.cfg.Topic), slog.Any("partitions", stale))
	}
	for _, partition := range stale {
		cgs.ResetOffset(m.cfg.Topic, partition, 0, id.commitMetadata())
	}
	return id
}
