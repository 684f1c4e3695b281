package harness

import (
	"testing"

	"github.com/IBM/sarama"
)

// Stored returns the values in the topic by partition, as Kafka holds them.
func Stored(t testing.TB, c Cluster) map[int32][][]byte {
	t.Helper()
	client, err := sarama.NewClient(c.ListenAddrs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := client.Partitions(Topic)
	if err != nil {
		t.Fatal(err)
	}
	values := map[int32][][]byte{}
	for _, partition := range partitions {
		end, err := client.GetOffset(Topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		records, err := consumer.ConsumePartition(Topic, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for m := range records.Messages() {
			values[partition] = append(values[partition], m.Value)
			if m.Offset == end-1 {
				break
			}
		}
		records.Close()
	}
	return values
}

// Commit sets the offsets of the group, as any tool can.
func Commit(t testing.TB, c Cluster, metadata string, offsets map[int32]int64) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	coordinator, err := client.Coordinator("group")
	if err != nil {
		t.Fatal(err)
	}
	request := &sarama.OffsetCommitRequest{Version: 4, ConsumerGroup: "group", ConsumerGroupGeneration: -1, RetentionTime: -1}
	for partition, offset := range offsets {
		request.AddBlock(Topic, partition, offset, 0, metadata)
	}
	answer, err := coordinator.CommitOffset(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range answer.Errors[Topic] {
		if err != sarama.ErrNoError {
			t.Fatal(err)
		}
	}
}

// Admin returns a client that may change topics, groups and users.
func Admin(t testing.TB, c Cluster) sarama.ClusterAdmin {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	a, err := sarama.NewClusterAdmin(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// CreateTopic creates the topic.
func CreateTopic(t testing.TB, c Cluster, partitions int32) {
	t.Helper()
	if err := Admin(t, c).CreateTopic(Topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
}

// Committed returns the offsets of the group by partition.
func Committed(t testing.TB, c Cluster) map[int32]int64 {
	t.Helper()
	answer, err := Admin(t, c).ListConsumerGroupOffsets("group", nil)
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[int32]int64{}
	for partition, block := range answer.Blocks[Topic] {
		offsets[partition] = block.Offset
	}
	return offsets
}

// DeleteTopic deletes the topic.
func DeleteTopic(t testing.TB, c Cluster) {
	t.Helper()
	if err := Admin(t, c).DeleteTopic(Topic); err != nil {
		t.Fatal(err)
	}
}
