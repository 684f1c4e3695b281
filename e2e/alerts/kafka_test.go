package alerts_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// brokerStops stops the broker while both programs run.
func brokerStops(w *world) {
	c := w.broker()
	w.consume("stopped", c)
	w.produce("stopped-producer", c, "PUBKEY="+w.keys.Public)
	w.reads("stopped")
	w.then(c.Close)
	w.expect("stopped", "KafkaE2EENotReading")
	w.expect("stopped-producer", "KafkaE2EENotAcknowledged")
}

// brokerAway is a consumer that is started while the broker is away.
func brokerAway(w *world) {
	w.consume("away", nowhere(harness.FreeAddr(w.t)))
	w.expect("away", "KafkaE2EENotReading", "KafkaE2EELagUnknown")
}

// rightsRevoked takes the right to the topic from a consumer that reads.
func rightsRevoked(w *world) {
	right := func(kind kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	const operator, password = "operator", "canary-operator-password"
	c := w.broker(kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", operator, password),
		kfake.User("PLAIN", harness.KafkaUser, harness.PlainPassword,
			right(kmsg.ACLResourceTypeTopic, harness.Topic, kmsg.ACLOperationRead), right(kmsg.ACLResourceTypeTopic, harness.Topic, kmsg.ACLOperationDescribe),
			right(kmsg.ACLResourceTypeGroup, "group", kmsg.ACLOperationRead)))
	file := filepath.Join(w.t.TempDir(), "password")
	w.write(file, harness.PlainPassword)
	w.consume("revoked", c, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USER="+harness.KafkaUser,
		"KAFKA_SASL_PASSWORD_FILE="+file, "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR=true")
	w.reads("revoked")
	w.then(func() {
		conf := sarama.NewConfig()
		conf.Version = sarama.V3_6_0_0
		conf.Net.SASL.Enable, conf.Net.SASL.User, conf.Net.SASL.Password = true, operator, password
		admin, err := sarama.NewClusterAdmin(c.ListenAddrs(), conf)
		if err != nil {
			w.t.Fatal(err)
		}
		defer admin.Close()
		topic := harness.Topic
		gone, err := admin.DeleteACL(sarama.AclFilter{
			ResourceType: sarama.AclResourceTopic, ResourceName: &topic, ResourcePatternTypeFilter: sarama.AclPatternLiteral,
			Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
		}, false)
		if err != nil || len(gone) != 2 {
			w.t.Fatalf("revoking: %v, %v", gone, err)
		}
	})
	w.expect("revoked", "KafkaE2EENotReading")
}

// diskFull fills the broker's disk: it then refuses every record.
func diskFull(w *world) {
	c := w.broker()
	var full atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		produce, ok := request.(*kmsg.ProduceRequest)
		if !ok || !full.Load() {
			return nil, nil, false
		}
		answer := kmsg.NewPtrProduceResponse()
		answer.SetVersion(request.GetVersion())
		for _, topic := range produce.Topics {
			of := kmsg.NewProduceResponseTopic()
			of.Topic = topic.Topic
			for _, p := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = p.Partition, kerr.KafkaStorageError.Code
				of.Partitions = append(of.Partitions, refused)
			}
			answer.Topics = append(answer.Topics, of)
		}
		return answer, nil, true
	})
	w.produce("full-producer", c, "PUBKEY="+w.keys.Public)
	w.then(func() { full.Store(true) })
	w.expect("full-producer", "KafkaE2EENotAcknowledged")
}

// partitionLost cuts off the broker that leads one of two partitions.
func partitionLost(w *world) {
	c := w.broker(kfake.NumBrokers(2))
	if err := c.MoveTopicPartition(harness.Topic, 1, 1); err != nil {
		w.t.Fatal(err)
	}
	if err := c.MoveTopicPartition(harness.Topic, 0, 0); err != nil {
		w.t.Fatal(err)
	}
	var cut atomic.Bool
	for _, kind := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets} {
		c.ControlKey(kind.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if cut.Load() && c.CurrentNode() == 1 {
				return nil, errors.New("the connection breaks"), true
			}
			return nil, nil, false
		})
	}
	w.consume("partition", c)
	w.reads("partition")
	w.shows("partition", `e2ee_consumer_lag_records{partition="1",topic="`+harness.Topic+`"} 0`)
	w.then(func() { cut.Store(true) })
	w.expect("partition", "KafkaE2EEPartitionsUnreadable")
}

// topicFilled fills the topic faster than the consumer gets it: the broker takes 20 s for each answer.
func topicFilled(w *world) {
	c := w.broker()
	var slow atomic.Bool
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		// The group's requests wait for records; those for the history do not.
		if fetch, ok := request.(*kmsg.FetchRequest); ok && slow.Load() && fetch.MaxWaitMillis > 1 {
			c.SleepControl(func() { time.Sleep(20 * time.Second) })
		}
		return nil, nil, false
	})
	w.consume("behind", c, "KAFKA_UNPACKED_BYTES=8388608")
	w.reads("behind")
	seal := harness.NewSealer(w.t, w.keys.Private, "", envelope.FormatEnvelope, harness.Topic)
	w.then(func() {
		slow.Store(true)
		for range 20 {
			var values [][]byte
			for n := range 500 {
				values = append(values, seal(fmt.Sprintf("Msg %d: %01000d", n, 0), 0))
			}
			harness.Write(w.t, c, 0, values...)
		}
	})
	w.expect("behind", "KafkaE2EELag")
}
