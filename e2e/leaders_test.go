package e2e_test

import (
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

// Without this one broker that is gone, with the only copy of one partition,
// would keep a starting consumer from every record of all the others.
func TestPartitionWithoutLeader(t *testing.T) {
	t.Parallel()
	need(t, engine, kafkaImage)
	b, k := startBrokers(t), newKeys(t)
	one := "1"
	until(t, "the topic is made", func() bool {
		conf := sarama.NewConfig()
		conf.Version = sarama.V3_6_0_0
		a, err := sarama.NewClusterAdmin(b.ListenAddrs(), conf)
		if err != nil {
			return false
		}
		defer a.Close()
		return a.CreateTopic(topic, &sarama.TopicDetail{
			NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {1}, 1: {2}, 2: {3}},
			ConfigEntries: map[string]*string{"min.insync.replicas": &one},
		}, false) == nil
	})
	b.nodes[1].kill(t)
	write(t, b, 0, []byte("of the first"))
	write(t, b, 2, []byte("of the third"))
	p, _ := startConsumer(t, b, k.sidecar)
	p.waitStates(map[string]int{"plain": 2})
	leaderless := func() bool { return strings.Contains(string(p.get(p.page)), "1 without a leader") }
	p.wait("the page names what cannot be read", leaderless)

	b.nodes[1].start(t)
	until(t, "the second partition can be written to", func() bool {
		c, err := sarama.NewClient(b.ListenAddrs(), sarama.NewConfig())
		if err != nil {
			return false
		}
		defer c.Close()
		led, err := c.WritablePartitions(topic)
		return err == nil && len(led) == 3
	})
	write(t, b, 1, []byte("of the second"))
	p.waitStates(map[string]int{"plain": 3})
	p.wait("the page no longer names it", func() bool { return !leaderless() })
}
