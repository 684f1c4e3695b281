package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
)

// A topic that is deleted and made anew starts from offset 0, under the same
// name. Positions in the old one mean nothing in it: read on from there, and its
// first records are missed. Only the topic's id (KIP-516) tells the two apart.

// errTopicReplaced ends a session whose positions are those of a topic that is gone.
var errTopicReplaced = errors.New("the topic was made anew")

// topicCheck is how often the topic's id is asked for.
const topicCheck = 5 * time.Second

// topicID asks for the id; ok is false where no broker answers, or has no such
// topic. Kafka before 2.8, and Event Hubs, give none: then it is zero.
func (r *reader) topicID(client sarama.Client) (id sarama.Uuid, ok bool) {
	broker := client.LeastLoadedBroker()
	if broker == nil {
		return id, false
	}
	answer, err := broker.GetMetadata(sarama.NewMetadataRequest(r.sarama.Version, []string{r.cfg.Topic}))
	if err != nil || len(answer.Topics) != 1 || answer.Topics[0].Err != sarama.ErrNoError {
		return id, false
	}
	return answer.Topics[0].Uuid, true
}

// watchTopic ends the session when the topic is another one than that which it
// reads, and notices that a broker that was away answers again.
func (r *reader) watchTopic(ctx context.Context, client sarama.Client, leave context.CancelCauseFunc) {
	tick := time.NewTicker(topicCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		id, ok := r.topicID(client)
		if !ok {
			continue
		}
		if id != (sarama.Uuid{}) && !r.topic.CompareAndSwap(nil, &id) && *r.topic.Load() != id {
			leave(errTopicReplaced)
			return
		}
		r.reachable() // a fetch may have failed before, and no record come since
	}
}

// startOver makes a session begin with the first records if the topic is not the
// one that this process read before.
func (r *reader) startOver(cgs sarama.ConsumerGroupSession, client sarama.Client) {
	id, ok := r.topicID(client)
	if !ok || id == (sarama.Uuid{}) {
		return
	}
	if before := r.topic.Swap(&id); before == nil || *before == id {
		return
	}
	r.log.WarnContext(cgs.Context(), "the topic was made anew: reading it from its start", slog.String("topic", r.cfg.Topic))
	r.partitions.forget()
	for _, partition := range cgs.Claims()[r.cfg.Topic] {
		cgs.ResetOffset(r.cfg.Topic, partition, 0, "")
	}
}
