package story_test

import (
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/kafkaconf"
)

// Without this a broker that limits how long a client stays signed in would cut its connections again and again, with
// requests in flight.
func TestSignsInAgainInPlace(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, harness.Topic), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", harness.KafkaUser, harness.ScramPassword),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "10000"}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var signedIn, connections atomic.Int64
	controlled(c, kmsg.SASLHandshake, func(kmsg.Request) (kmsg.Response, error, bool) {
		signedIn.Add(1)
		return nil, nil, false
	})
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(harness.ScramPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	s := kafkaconf.Settings{Brokers: c.ListenAddrs(), Protocol: "SASL_PLAINTEXT", Mechanism: "SCRAM-SHA-256", User: harness.KafkaUser, PasswordFile: password}
	conf, err := s.Sarama("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := kafkaconf.Wrap(conf, func(conn net.Conn) net.Conn {
		connections.Add(1)
		return conn
	}); err != nil {
		t.Fatal(err)
	}
	client, err := sarama.NewClient(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	claim, err := consumer.ConsumePartition(harness.Topic, 0, sarama.OffsetOldest) // a fetch is always in flight
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Close()
	before := connections.Load()
	harness.Eventually(t, "it has signed in on its connections again", func() bool {
		if _, err := client.GetOffset(harness.Topic, 0, sarama.OffsetNewest); err != nil {
			t.Fatal(err)
		}
		return signedIn.Load() >= before+3
	})
	if after := connections.Load(); after != before {
		t.Errorf("%d connections were made, and then %d more", before, after-before)
	}
}
