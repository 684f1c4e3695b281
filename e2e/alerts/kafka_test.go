package alerts_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
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

// revokedAndFilled takes the right to the topic from a consumer that reads, and then fills the broker's disk.
func revokedAndFilled(w *world) {
	k := realkafka.StartSecuredOnSmallDisk(w.t)
	k.CreateTopic(harness.Topic, harness.KafkaUser)
	w.consume("revoked", k, k.Settings("SASL", "KAFKA_CA_FILE="+filepath.Join(k.Dir, "ca.pem"), "KAFKA_SASL_MECHANISM=PLAIN",
		"KAFKA_SASL_USER="+harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE="+k.WriteFile("password", harness.PlainPassword))...)
	w.produce("full-producer", k, "PUBKEY="+w.keys.Public)
	w.reads("revoked")
	w.shows("full-producer", `e2ee_kafka_state{state="writing"} 1`)
	w.then(func() {
		k.Revoke(harness.KafkaUser, harness.Topic)
		w.shows("revoked", `e2ee_kafka_state{state="refused"} 1`)
		k.FillDisk(w.t)
	})
	w.expect("revoked", "KafkaE2EENotReading")
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
