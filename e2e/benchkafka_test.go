package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// benchKafka is the address of an Apache Kafka in a container; of the embedded
// broker where there is no Docker engine or no image, which the output then says.
func benchKafka(b *testing.B) string {
	b.Helper()
	for _, thing := range []*thing{engine, kafkaImage} {
		if missing := thing.missing(); missing != "" {
			if *writePerformance {
				b.Fatalf("docs/performance.md tells of Apache Kafka, and there is no %s: go test -bench measures against the embedded broker, and writes nothing", missing)
			}
			b.Logf("measured against the embedded broker, for lack of %s", missing)
			c, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			return c.ListenAddrs()[0]
		}
	}
	return startKafka(b, 0).addr
}

// freshTopic makes a topic that takes records of 1 MiB sealed, and drops it in the end.
func freshTopic(b *testing.B, addr, name string, partitions int32) (size func() int64) {
	b.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	a, err := sarama.NewClusterAdmin([]string{addr}, conf)
	if err != nil {
		b.Fatal(err)
	}
	most := fmt.Sprint(4 << 20)
	if err := a.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &most}}, false); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(a.DeleteTopic(name), a.Close()); err != nil {
			b.Error(err)
		}
	})
	return func() int64 {
		dirs, err := a.DescribeLogDirs([]int32{1, 0})
		if err != nil {
			return 0
		}
		var total int64
		for _, list := range dirs {
			for _, dir := range list {
				for _, topic := range dir.Topics {
					for _, partition := range topic.Partitions {
						if topic.Topic == name {
							total += partition.Size
						}
					}
				}
			}
		}
		return total
	}
}
