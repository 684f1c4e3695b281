// Package broker is the demo's Kafka: one that is embedded in this process, or a topic that is borrowed from a Kafka which
// somebody else runs on this computer. Neither has any protection.
package broker

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Topic is the topic of the demo. A borrowed one has a longer name.
const Topic = "kafka-demo-topic"

// Partitions is how many the topic has. One would hide that Kafka orders the records of a key only, and leave no other to
// move a record to.
const Partitions = 3

// retentionBytes bounds each topic, which the broker holds in this process's memory.
const retentionBytes = 64 << 20

// Start starts an embedded broker with the topic. A client that uses or creates another one gets it, with one partition unless
// it wants more. Some time after a partition of the topic exceeds its share of 64 MiB, or one of another topic exceeds
// 64 MiB, the broker drops its oldest batches.
func Start() (*kfake.Cluster, error) { return start(retentionBytes) }

func start(retention int) (*kfake.Cluster, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(map[string]string{"log.retention.bytes": strconv.Itoa(retention)}))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	if err := broker.CreateTopic(Topic, Partitions, map[string]string{"retention.bytes": strconv.Itoa(retention / Partitions)}); err != nil {
		broker.Close()
		return nil, fmt.Errorf("creating the topic in the embedded broker: %w", err)
	}
	return broker, nil
}
