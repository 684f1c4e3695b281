package bench_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// kafka is a broker under test.
type kafka struct {
	addr string
	cpu  func() time.Duration // that it has used since its start; nil if unknown
}

// watch measures, and adds the broker's CPU time for each record.
func (k kafka) watch(b *testing.B, records int, measure func() rate) rate {
	b.Helper()
	if k.cpu == nil {
		return measure()
	}
	before := k.cpu()
	r := measure()
	r.broker = float64((k.cpu() - before).Microseconds()) / float64(records)
	return r
}

// benchKafka returns the address of benchBroker.
func benchKafka(b *testing.B) string {
	b.Helper()
	return benchBroker(b).addr
}

// benchBroker returns an Apache Kafka in a container, or the embedded broker if there is no Docker engine or no image.
// The output then says so.
func benchBroker(b *testing.B) kafka {
	b.Helper()
	for _, thing := range []harness.Requirement{harness.Engine, harness.KafkaImage} {
		if missing := thing(); missing != "" {
			if *writePerformance {
				b.Fatalf("docs/performance.md tells of Apache Kafka, and there is no %s: go test -bench measures against the embedded broker, and writes nothing", missing)
			}
			b.Logf("measured against the embedded broker, for lack of %s", missing)
			c, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			return kafka{addr: c.ListenAddrs()[0]}
		}
	}
	k := realkafka.Start(b, 0)
	return kafka{addr: k.Addr, cpu: func() time.Duration { return k.CPUTime(b) }}
}

// freshTopic creates a topic that accepts sealed records of 1 MiB, and deletes it at the end.
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
