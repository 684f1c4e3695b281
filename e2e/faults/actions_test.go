package faults_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// deleteTopic deletes the topic once every record is shown: Kafka deletes records whether or not they were read.
func (s *setup) deleteTopic() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	harness.Eventually(s.t, "every message is shown", func() bool { return s.ledger.shown(0, int(s.next.Load())) == int(s.next.Load()) })
	if err := harness.Admin(s.t, s.cluster).DeleteTopic(s.topic); err != nil {
		s.t.Fatal(err)
	}
	s.ledger.clear()
}

// requireFreshRecords starts two consumers that reject stale records, for a producer whose data keys expire after half a
// minute. Readers allow another five minutes, so only a longer outage tells whether records are sealed again.
func (s *setup) requireFreshRecords() {
	s.t.Helper()
	signing, trusted := harness.NewSender(s.t, "producer")
	s.producer, s.sealedAgain = "kafka-e2ee/e2e/faults/cmd/shortlived", true
	s.settings = append(s.settings, "SIGNING_KEY_FILE="+signing, "TRUSTED_SENDERS_FILE="+trusted, "REQUIRE_SENDER=verified", "REQUIRE_FRESH=true")
	s.consumeTwice()
}

// consumeConfined starts two consumers in containers with limits. One that the kernel kills is started again, as in a
// cluster.
func (s *setup) consumeConfined(limits ...string) {
	s.t.Helper()
	for range 2 {
		p := harness.StartConfined(s.t, limits, "BROKERS="+strings.Join(s.cluster.ListenAddrs(), ","), "TOPIC="+s.topic, "CONSUMERGROUP="+s.topic,
			"SKR_URL=http://"+s.sidecarProxy.Addr())
		s.consumers = append(s.consumers, &member{Pod: p, unfollow: s.ledger.follow(s.t, p)})
	}
}

// churn starts and stops consumers, at most five at a time.
func (s *setup) churn(long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(rand.N(5 * time.Second)) {
		var here []*member
		for _, m := range s.consumers {
			if m.alive() {
				here = append(here, m)
			}
		}
		if len(here) < 5 && (len(here) < 2 || rand.N(2) == 0) {
			s.consume()
			continue
		}
		here[rand.N(len(here))].end()
	}
}

// end stops a consumer as its cluster does.
func (m *member) end() {
	m.process.Stop()
	m.unfollow()
}

// writeJumpingTimestamps writes records whose timestamps jump between a month ago and almost an hour ahead, the range that
// Kafka accepts. The clock of one process cannot be changed, and the machine's must not be.
func (s *setup) writeJumpingTimestamps() {
	t := s.t
	t.Helper()
	const count = 300
	seal := harness.NewSealer(t, s.key, "", envelope.FormatEnvelope, s.topic)
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		partition := int32(i % partitions)
		messages[i] = &sarama.ProducerMessage{
			Topic: s.topic, Partition: partition, Timestamp: time.Now().Add(rand.N(30*24*time.Hour) - 30*24*time.Hour + 50*time.Minute),
			Value: sarama.ByteEncoder(seal(fmt.Sprint("message ", otherWriterStart+i), partition)),
		}
	}
	harness.Send(t, s.cluster, messages)
	s.producers = append([]*producerRun{{from: otherWriterStart, to: otherWriterStart + count, counted: count}}, s.producers...)
	harness.Eventually(t, "the records are shown", func() bool { return s.ledger.shown(otherWriterStart, otherWriterStart+count) == count })
}

// terminateAll stops both programs while they start, wait, join, work and stop.
func (s *setup) terminateAll() {
	t := s.t
	t.Helper()
	for _, wait := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		for _, settings := range [][]string{nil, {"BROKERS=" + harness.FreeAddr(t)}, {"TOPIC=no-such-topic"}, {"SKR_URL=http://" + harness.FreeAddr(t)}} {
			m := s.consume(append(settings, "CONSUMERGROUP="+s.topic)...)
			time.Sleep(wait)
			m.end()
		}
		s.terminate()
		s.produce()
		time.Sleep(wait)
		s.terminate()
		s.produce("BROKERS=" + harness.FreeAddr(t))
		time.Sleep(wait)
		b := s.producers[len(s.producers)-1]
		b.process.Signal(syscall.SIGTERM)
		<-b.process.Done
		s.produce()
	}
}
