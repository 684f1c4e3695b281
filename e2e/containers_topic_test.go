package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// Without it both programs would have to be started after their topic was made.
func TestTopicCreatedLate(t *testing.T) {
	t.Parallel()
	c, key := startKafka(t, 0), newKey(t)
	_, url := sidecar(t, key)
	p, _ := startConsumer(t, c, url)
	producer := start(t, "produce", nil, "BROKERS="+c.addr, "TOPIC="+topic, "PUBKEY="+publicPEM(t, &key.PublicKey), "METRICS_ADDR=", "MSG=late", "COUNT=5", "SENDDURATION=0", "RESTDURATION=0")
	p.wait("the page says that the topic is missing", func() bool { return p.kafkaMissing("no_topic") })
	p.wait("the producer waits for it", func() bool { return strings.Contains(producer.log.String(), "Kafka is not ready") })
	createTopic(t, c, 1)
	producer.ended()
	p.waitStates(map[string]int{"decrypted": 5})
}

// Without it a topic that was deleted and made anew would look empty, or lack
// its first records, since its offsets start from 0 again.
func TestTopicDeletedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { topicCreatedAgain(t, broker(t, 2)) })
	t.Run("Kafka", func(t *testing.T) { topicCreatedAgain(t, startKafka(t, 2)) })
}

func topicCreatedAgain(t *testing.T, c cluster) {
	key := newKey(t)
	_, url := sidecar(t, key)
	p, _ := startConsumer(t, c, url)
	texts := func(kind string, n int) {
		for i := range n {
			write(t, c, int32(i%2), encrypt(t, key, fmt.Sprintf("%s %d", kind, i)))
		}
	}
	shows := func(kind string, n int) func() bool {
		return func() bool {
			records := p.records()
			for i := range n {
				if !hasValue(records, fmt.Sprintf("%s %d", kind, i)) {
					return false
				}
			}
			return true
		}
	}
	texts("old", 20)
	p.wait("the old records are shown", shows("old", 20))
	again := func() {
		deleteTopic(t, c)
		createTopic(t, c, 2)
	}
	again()
	texts("new", 6) // fewer than there were
	p.wait("the records of the new topic are shown", shows("new", 6))
	again()
	texts("third", 60) // more than there were
	p.wait("the records of the third topic are shown, from its first", shows("third", 60))
}

// Without it a restart would show an empty page, or read everything again.
func TestConsumerRestartedOnKafka(t *testing.T) {
	t.Parallel()
	c, key := startKafka(t, 3), newKey(t)
	_, url := sidecar(t, key)
	first, _ := startConsumer(t, c, url)
	for i := range 30 {
		write(t, c, int32(i%3), encrypt(t, key, fmt.Sprintf("message %d", i)))
	}
	first.waitStates(map[string]int{"decrypted": 30})
	first.stop()
	before := committed(t, c)
	for partition, offset := range before {
		if offset != 10 {
			t.Errorf("partition %d: committed %d, want 10", partition, offset)
		}
	}
	second, _ := startConsumer(t, c, url, "WEB_HISTORY=12")
	for i, r := range second.waitStates(map[string]int{"decrypted": 12}) {
		if want := fmt.Sprintf("message %d", 18+i); r.Value != want {
			t.Errorf("record %d is %q, want %q", i, r.Value, want)
		}
	}
	second.stop()
	for partition, offset := range committed(t, c) {
		if offset != before[partition] {
			t.Errorf("partition %d: the group's offset moved from %d to %d", partition, before[partition], offset)
		}
	}
}
