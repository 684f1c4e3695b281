package lab

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// partitions is how many the topic has. One would hide that Kafka orders the records of a key only, and leave no other to
// move a record to.
const partitions = 3

// retentionBytes bounds each topic, which the broker holds in this process's memory.
const retentionBytes = 64 << 20

// newBroker starts a broker with the topic. A client that uses or creates another one gets it, with one partition unless
// it wants more. Some time after a partition of the topic exceeds its share of the retention, in bytes, or one of another
// topic exceeds that of the topic, the broker drops its oldest batches.
func newBroker(retention int) (*kfake.Cluster, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(map[string]string{"log.retention.bytes": strconv.Itoa(retention)}))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	if err := broker.CreateTopic(topic, partitions, map[string]string{"retention.bytes": strconv.Itoa(retention / partitions)}); err != nil {
		broker.Close()
		return nil, fmt.Errorf("creating the topic in the embedded broker: %w", err)
	}
	return broker, nil
}
