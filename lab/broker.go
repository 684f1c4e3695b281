package lab

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// partitions is how many the topic has. One would hide that Kafka orders the records of a key only, and leave no other to
// move a record to.
const partitions = 3

// retentionBytes bounds the topic, which the broker holds in this process's memory.
const retentionBytes = 64 << 20

// newBroker starts a broker with the topic. Some time after a partition exceeds
// its share of the retention, in bytes, the broker drops its oldest batches.
func newBroker(retention int) (*kfake.Cluster, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	if err := broker.CreateTopic(topic, partitions, map[string]string{"retention.bytes": strconv.Itoa(retention / partitions)}); err != nil {
		broker.Close()
		return nil, fmt.Errorf("creating the topic in the embedded broker: %w", err)
	}
	return broker, nil
}
