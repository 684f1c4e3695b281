package containers_test

import (
	"fmt"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this both programs could start only after their topic exists.
func TestTopicCreatedLate(t *testing.T) {
	t.Parallel()
	c, key := realkafka.Start(t, 0), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p, _ := harness.StartConsumer(t, c, url)
	producer := harness.Start(t, "produce", nil, "BROKERS="+c.Addr, "TOPIC="+harness.Topic, "PUBKEY="+harness.PublicPEM(t, &key.PublicKey), "METRICS_ADDR=", "MSG=late", "COUNT=5", "SENDDURATION=0", "RESTDURATION=0")
	p.Wait("the page says that the topic is missing", func() bool { return p.Misses("kafka", "no_topic") })
	p.Wait("the producer waits for it", func() bool { return strings.Contains(producer.Log.String(), "Kafka is not ready") })
	harness.CreateTopic(t, c, 1)
	producer.WaitExit()
	p.WaitStates(map[string]int{"decrypted": 5})
}

// Without this a recreated topic would look empty or lack its first records, since its offsets start from 0 again.
func TestTopicDeletedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { topicCreatedAgain(t, harness.Broker(t, 2)) })
	t.Run("Kafka", func(t *testing.T) { topicCreatedAgain(t, realkafka.Start(t, 2)) })
}

func topicCreatedAgain(t *testing.T, c harness.Cluster) {
	key := harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p, _ := harness.StartConsumer(t, c, url)
	texts := func(kind string, n int) {
		for i := range n {
			harness.Write(t, c, int32(i%2), harness.Encrypt(t, key, fmt.Sprintf("%s %d", kind, i)))
		}
	}
	shows := func(kind string, n int) func() bool {
		return func() bool {
			records := p.Records()
			for i := range n {
				if !hasValue(records, fmt.Sprintf("%s %d", kind, i)) {
					return false
				}
			}
			return true
		}
	}
	texts("old", 20)
	p.Wait("the old records are shown", shows("old", 20))
	again := func() {
		harness.DeleteTopic(t, c)
		harness.CreateTopic(t, c, 2)
	}
	again()
	texts("new", 6) // fewer than before
	p.Wait("the records of the new topic are shown", shows("new", 6))
	again()
	texts("third", 60) // more than before
	p.Wait("the records of the third topic are shown, from its first", shows("third", 60))
}

// Without this a restart would show an empty page, or read everything again.
func TestConsumerRestartedOnKafka(t *testing.T) {
	t.Parallel()
	c, key := realkafka.Start(t, 3), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	first, _ := harness.StartConsumer(t, c, url)
	for i := range 30 {
		harness.Write(t, c, int32(i%3), harness.Encrypt(t, key, fmt.Sprintf("message %d", i)))
	}
	first.WaitStates(map[string]int{"decrypted": 30})
	first.Stop()
	before := harness.Committed(t, c)
	for partition, offset := range before {
		if offset != 10 {
			t.Errorf("partition %d: committed %d, want 10", partition, offset)
		}
	}
	second, _ := harness.StartConsumer(t, c, url, "WEB_HISTORY=12")
	for i, r := range second.WaitStates(map[string]int{"decrypted": 12}) {
		if want := fmt.Sprintf("message %d", 18+i); r.Value != want {
			t.Errorf("record %d is %q, want %q", i, r.Value, want)
		}
	}
	second.Stop()
	for partition, offset := range harness.Committed(t, c) {
		if offset != before[partition] {
			t.Errorf("partition %d: the group's offset moved from %d to %d", partition, before[partition], offset)
		}
	}
}
