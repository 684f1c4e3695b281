package group

import (
	"net"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// saramaConfig adds the member's own settings to those of the connection. wrap bounds what a connection fetches.
func (c Config) saramaConfig(wrap func(net.Conn) net.Conn) (*sarama.Config, error) {
	conf, err := c.Kafka.Sarama("consume")
	if err != nil {
		return nil, err
	}
	if err := kafkaconf.Wrap(conf, wrap); err != nil {
		return nil, err
	}
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest // a new group misses nothing
	if !c.ReadUncommitted {
		conf.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	conf.Consumer.Return.Errors = true // the page shows them
	// A request must not create a topic: the page has to show that it is missing.
	conf.Metadata.AllowAutoTopicCreation = false
	// Few tries, because the member retries forever and shows it.
	conf.Metadata.Retry.Max = 1
	// Batches wait in a queue that counts bytes. sarama's channel counts records, each of up to UnpackedBytes.
	conf.ChannelBufferSize = 8
	// Large enough to hide the round trip to the broker. Each partition may hold two of them.
	conf.Consumer.Fetch.Default = 2 << 20
	// No more than is likely to fit into memory once unpacked: the rest would be fetched again.
	conf.Consumer.Fetch.MaxBytes = int32(c.UnpackedBytes / 2)
	// A partition that a session adds is first requested when the current poll ends.
	conf.Consumer.MaxWaitTime = 150 * time.Millisecond
	// A partition that fails, for example because its leader has changed, is soon read again, but not in a busy loop.
	conf.Consumer.Retry.BackoffFunc = func(tries int) time.Duration { return kafkaconf.Backoff(tries-1, maxPartitionRetryDelay) }
	// Notice new partitions.
	conf.Metadata.RefreshFrequency = 15 * time.Second
	return conf, nil
}
