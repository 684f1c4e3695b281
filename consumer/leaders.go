package consumer

import (
	"errors"

	"github.com/IBM/sarama"
)

// led is a client to which a topic has only the partitions that have a leader.
// With one that has none, sarama would neither start a session nor keep it, and
// nothing of the others would be read either. The group asks how many there are
// again and again, and shares them out anew when a leader comes or goes.
type led struct{ sarama.Client }

// Partitions gives those that can be read.
func (c led) Partitions(topic string) ([]int32, error) { return c.WritablePartitions(topic) }

// RefreshMetadata fails only where nothing of a topic can be read.
func (c led) RefreshMetadata(topics ...string) error {
	err := c.Client.RefreshMetadata(topics...)
	if !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return err
	}
	for _, topic := range topics {
		if some, _ := c.WritablePartitions(topic); len(some) == 0 { //nolint:errcheck // then there are none
			return err
		}
	}
	return nil
}
