package harness

import (
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Cluster is a Kafka, embedded or real.
type Cluster interface{ ListenAddrs() []string }

// Broker starts an embedded broker with the topic.
func Broker(t testing.TB, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, Topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Write publishes values to one partition, in order, as another program would. A nil value is a tombstone.
func Write(t testing.TB, c Cluster, partition int32, values ...[]byte) {
	t.Helper()
	messages := make([]*sarama.ProducerMessage, len(values))
	for i, v := range values {
		messages[i] = &sarama.ProducerMessage{Topic: Topic, Partition: partition}
		if v != nil {
			messages[i].Value = sarama.ByteEncoder(v)
		}
	}
	Send(t, c, messages)
}

// Send publishes messages to the topics and partitions that they name.
func Send(t testing.TB, c Cluster, messages []*sarama.ProducerMessage) {
	t.Helper()
	p := newProducer(t, c, sarama.NewConfig())
	defer p.Close()
	if err := p.SendMessages(messages); err != nil {
		t.Fatal(err)
	}
}

// SendPacked publishes each message to the topic as a compressed batch of its own.
func SendPacked(t testing.TB, c Cluster, codec sarama.CompressionCodec, messages ...*sarama.ProducerMessage) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V2_8_0_0
	conf.Producer.Compression = codec
	p := newProducer(t, c, conf)
	defer p.Close()
	for _, m := range messages {
		m.Topic = Topic
		if _, _, err := p.SendMessage(m); err != nil {
			t.Fatal(err)
		}
	}
}

// newProducer returns a producer that writes no message twice if an answer of the broker comes late: tests count records.
func newProducer(t testing.TB, c Cluster, conf *sarama.Config) sarama.SyncProducer {
	t.Helper()
	conf.Producer.Idempotent, conf.Producer.RequiredAcks, conf.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	conf.Producer.Return.Successes = true
	conf.Producer.MaxMessageBytes = 90 << 20
	conf.Producer.Retry.Max = 300 // half a minute: a broker may just have lost its leadership
	var p sarama.SyncProducer
	Eventually(t, "Kafka gives a producer its id", func() (ready bool) { // not while a broker has just ended
		var err error
		if p, err = sarama.NewSyncProducer(c.ListenAddrs(), conf); err != nil {
			t.Logf("no producer yet: %v", err)
		}
		return err == nil
	})
	return p
}
