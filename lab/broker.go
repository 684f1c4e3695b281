package lab

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// retentionBytes bounds the topic, which the broker holds in this process's memory.
const retentionBytes = 64 << 20

// newBroker starts a broker with the topic. Some time after the topic exceeds
// the retention, in bytes, the broker drops the oldest batches.
func newBroker(retention int) (*kfake.Cluster, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	if err := broker.CreateTopic(topic, 1, map[string]string{"retention.bytes": strconv.Itoa(retention)}); err != nil {
		broker.Close()
		return nil, fmt.Errorf("creating the topic in the embedded broker: %w", err)
	}
	return broker, nil
}
