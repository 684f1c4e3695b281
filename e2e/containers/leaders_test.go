package containers_test

import (
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this one missing broker with the only replica of a partition would keep a starting consumer from all other
// partitions.
func TestPartitionWithoutLeader(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Engine, harness.KafkaImage)
	b, k := realkafka.StartCluster(t), harness.NewKeys(t)
	one := "1"
	harness.Eventually(t, "the topic is created", func() bool {
		conf := sarama.NewConfig()
		conf.Version = sarama.V3_6_0_0
		a, err := sarama.NewClusterAdmin(b.ListenAddrs(), conf)
		if err != nil {
			return false
		}
		defer a.Close()
		return a.CreateTopic(harness.Topic, &sarama.TopicDetail{
			NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {1}, 1: {2}, 2: {3}},
			ConfigEntries: map[string]*string{"min.insync.replicas": &one},
		}, false) == nil
	})
	b.Nodes[1].Kill(t)
	harness.Write(t, b, 0, []byte("of the first"))
	harness.Write(t, b, 2, []byte("of the third"))
	p, _ := harness.StartConsumer(t, b, k.Sidecar)
	p.WaitStates(map[string]int{"plain": 2})
	leaderless := func() bool { return strings.Contains(string(p.Get(p.Page)), "a partition has no leader") }
	p.Wait("the page names the partition that cannot be read", leaderless)

	b.Nodes[1].Start(t)
	harness.Eventually(t, "the second partition can be written to", func() bool {
		c, err := sarama.NewClient(b.ListenAddrs(), sarama.NewConfig())
		if err != nil {
			return false
		}
		defer c.Close()
		writable, err := c.WritablePartitions(harness.Topic)
		return err == nil && len(writable) == 3
	})
	harness.Write(t, b, 1, []byte("of the second"))
	p.WaitStates(map[string]int{"plain": 3})
	p.Wait("the page no longer names it", func() bool { return !leaderless() })
}
