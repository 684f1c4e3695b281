package e2e_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

func admin(t testing.TB, c cluster) sarama.ClusterAdmin {
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

func createTopic(t testing.TB, c cluster, partitions int32) {
	t.Helper()
	if err := admin(t, c).CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
}

// committed gives the group's offsets by partition.
func committed(t testing.TB, c cluster) map[int32]int64 {
	t.Helper()
	answer, err := admin(t, c).ListConsumerGroupOffsets("group", nil)
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[int32]int64{}
	for partition, block := range answer.Blocks[topic] {
		offsets[partition] = block.Offset
	}
	return offsets
}

// read counts what the consumer says in its metrics that it read.
func read(p *pod) int {
	total := 0
	for line := range strings.Lines(string(p.get(p.metrics + "/metrics"))) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(name, "e2ee_consumer_records_total{") {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			total += int(n)
		}
	}
	return total
}

func deleteTopic(t testing.TB, c cluster) {
	t.Helper()
	if err := admin(t, c).DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
}

// kafkaMissing says whether readyz names that state of Kafka.
func (p *pod) kafkaMissing(state string) bool {
	return strings.Contains(string(p.get(p.metrics+"/readyz")), "kafka: "+state)
}
