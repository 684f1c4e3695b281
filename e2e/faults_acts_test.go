package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// deleteTopic deletes the topic once nothing is under way: what Kafka deletes is
// gone, whoever reads it.
func (s *stage) deleteTopic() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	until(s.t, "all is shown", func() bool { return s.tally.shown(0, int(s.next.Load())) == int(s.next.Load()) })
	if err := admin(s.t, s.cluster).DeleteTopic(s.topic); err != nil {
		s.t.Fatal(err)
	}
	s.tally.forget()
}

// confine starts two consumers in containers of their own, with less than usual
// to live on. One that the kernel kills is started again, as a cluster does it.
func (s *stage) confine(limits ...string) {
	t := s.t
	t.Helper()
	for range 2 {
		page, metrics := freeAddr(t), freeAddr(t)
		args := append([]string{"create", "--network=host", "--restart=always", "--entrypoint=/consume"}, limits...)
		for _, setting := range []string{
			"BROKERS=" + strings.Join(s.cluster.ListenAddrs(), ","), "TOPIC=" + s.topic, "CONSUMERGROUP=" + s.topic,
			"SkrClientKID=" + keyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL=http://" + s.gate.addr(),
			"WEB_ADDR=" + page, "METRICS_ADDR=" + metrics,
		} {
			args = append(args, "--env", setting)
		}
		id := docker(t, append(args, chosenKafka(t))...)
		t.Cleanup(func() { docker(t, "rm", "--force", id) })
		docker(t, "cp", build(t, "consume"), id+":/consume")
		docker(t, "start", id)
		p := &pod{t: t, page: "http://" + page, metrics: "http://" + metrics, log: new(buffer)}
		p.wait("the page is served", func() bool { return p.get(p.page+"/api/key") != nil })
		s.consumers = append(s.consumers, &member{pod: p, leave: s.tally.follow(t, p)})
	}
}

// comeAndGo starts and ends consumers, up to five at a time.
func (s *stage) comeAndGo(long time.Duration) {
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

// end ends a consumer, as its cluster does it.
func (m *member) end() {
	m.process.end()
	m.leave()
}

// writeJumping writes records whose timestamps jump between a month ago and
// almost an hour ahead, which is what Kafka takes: the clock of a program's own
// process cannot be changed, and that of the whole machine must not.
func (s *stage) writeJumping() {
	t := s.t
	t.Helper()
	const count = 300
	seal := newSealer(t, s.key, "", envelope.FormatEnvelope, s.topic)
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		partition := int32(i % partitions)
		messages[i] = &sarama.ProducerMessage{
			Topic: s.topic, Partition: partition, Timestamp: time.Now().Add(rand.N(30*24*time.Hour) - 30*24*time.Hour + 50*time.Minute),
			Value: sarama.ByteEncoder(seal(fmt.Sprint("message ", otherWriter+i), partition)),
		}
	}
	send(t, s.cluster, messages)
	s.producers = append([]*batch{{from: otherWriter, to: otherWriter + count, counted: count}}, s.producers...)
	until(t, "they are shown", func() bool { return s.tally.shown(otherWriter, otherWriter+count) == count })
}

// terminateAll ends both programs while they start, wait, join, work and end.
func (s *stage) terminateAll() {
	t := s.t
	t.Helper()
	for _, wait := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		for _, settings := range [][]string{nil, {"BROKERS=" + freeAddr(t)}, {"TOPIC=no-such-topic"}, {"SKR_URL=http://" + freeAddr(t)}} {
			m := s.consume(append(settings, "CONSUMERGROUP="+s.topic)...)
			time.Sleep(wait)
			m.end()
		}
		s.terminate()
		s.produce()
		time.Sleep(wait)
		s.terminate()
		s.produce("BROKERS=" + freeAddr(t))
		time.Sleep(wait)
		b := s.producers[len(s.producers)-1]
		b.process.signal(syscall.SIGTERM)
		<-b.process.done
		s.produce()
	}
}
