package group

import (
	"context"
	"log/slog"
	"strings"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
)

// commit marks the offset behind a message, which sarama commits every second and when the session ends. Call it after
// the message was processed, never before, so that a restart repeats records but loses none.
func (s *session) commit(cgs sarama.ConsumerGroupSession, last *sarama.ConsumerMessage) {
	cgs.MarkMessage(last, s.topic.commitMetadata())
}

// topicIDPrefix starts the metadata that is committed with an offset.
const topicIDPrefix = "topic-id="

// commitMetadata is committed with an offset. It tells a pod that starts later whether the topic was recreated since.
func (id TopicID) commitMetadata() string {
	if id == (TopicID{}) {
		return ""
	}
	return topicIDPrefix + sarama.Uuid(id).String()
}

// staleCommits returns the partitions whose committed offset belongs to a topic with another id. Offsets without an id
// are trusted.
func (m *Member) staleCommits(ctx context.Context, q *query.Client, claims []int32, id TopicID) (partitions []int32) {
	if id == (TopicID{}) || len(claims) == 0 {
		return nil
	}
	coordinator, err := q.Coordinator(m.cfg.Group)
	var response *sarama.OffsetFetchResponse
	if err == nil {
		response, err = coordinator.FetchOffset(sarama.NewOffsetFetchRequest(m.groupConfig.Version, m.cfg.Group, map[string][]int32{m.cfg.Topic: claims}))
	}
	if err != nil {
		m.cfg.Log.WarnContext(ctx, "cannot tell whether the committed offsets are of this topic", slog.String("cause", m.cfg.explain(err).String()))
		return nil
	}
	for _, partition := range claims {
		block := response.GetBlock(m.cfg.Topic, partition)
		if block != nil && block.Err == sarama.ErrNoError && strings.HasPrefix(block.Metadata, topicIDPrefix) && block.Metadata != id.commitMetadata() {
			partitions = append(partitions, partition)
		}
	}
	return partitions
}
