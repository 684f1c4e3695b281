package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/skrclient/skrtest"
)

// Without this the demo shows nothing: a released key turns records into text.
func TestReleasedKeyShowsPlaintext(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	_, url := sidecar(t, key)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	write(t, c, 0, encrypt(t, key, "Msg 1: hello"))
	got := p.waitStates(map[string]int{"decrypted": 1})
	if got[0].Value != "Msg 1: hello" || got[0].Encoding != "utf-8" {
		t.Errorf("shown: %q as %s", got[0].Value, got[0].Encoding)
	}
	if page := string(p.get(p.page)); !strings.Contains(page, "Msg 1: hello") || !strings.Contains(page, "Welcome to Confidential Containers on AKS!") {
		t.Error("the page without JavaScript lacks the heading or the message")
	}
}

// Without this an ordinary pod would show less, or more, than it knows.
func TestOrdinaryPodShowsCiphertext(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	value := encrypt(t, key, "Msg 1: hello")
	write(t, c, 0, value)
	p := consume(t, settings(t, c.ListenAddrs(), "http://"+freeAddr(t)))
	got := p.waitStates(map[string]int{"no_key": 1})
	if wire, err := base64.StdEncoding.DecodeString(got[0].Wire); err != nil || !bytes.Equal(wire, value) {
		t.Error("the page does not hold the bytes that are in the topic")
	}
	p.wait("the page says that nothing answers", func() bool { return p.keyState() == "unreachable" })
	if ready := string(p.get(p.metrics + "/readyz")); !strings.Contains(ready, "key: unreachable") {
		t.Errorf("readyz does not say what is missing: %s", ready)
	}
}

// Without this a sidecar that comes up after the consumer would need a restart.
func TestLateReleaseHealsRecords(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	s, url := sidecar(t, key)
	s.Refuse(skrtest.RefusalPolicy)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	var values [][]byte
	for i := range 20 {
		values = append(values, encrypt(t, key, fmt.Sprintf("Msg %d: late", i+1)))
	}
	write(t, c, 0, values...)
	before := p.waitStates(map[string]int{"no_key": 20})
	p.wait("the refusal is shown", func() bool { return p.keyState() == "refused" })
	s.Behave(skrtest.Release)
	after := p.waitStates(map[string]int{"decrypted": 20})
	for i, r := range after {
		if want := fmt.Sprintf("Msg %d: late", i+1); r.Value != want {
			t.Errorf("record %d is %q, want %q", i, r.Value, want)
		}
		if r.Rev <= before[len(before)-1].Rev {
			t.Errorf("record %d healed without a new rev: an open page would not see it", i)
		}
	}
	if p.keyState() != "released" {
		t.Errorf("key state is %s", p.keyState())
	}
}

// Without this one bad record could hide all the good ones after it.
func TestPoisonRecordsAreRows(t *testing.T) {
	t.Parallel()
	c, key, other := broker(t, 1), newKey(t), newKey(t)
	_, url := sidecar(t, key)
	good := encrypt(t, key, "good")
	garbage := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 384))
	write(t, c, 0,
		good,
		good[:len(good)-5], // truncated base64
		[]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 300))), // wrong size
		[]byte(garbage), // right size
		encrypt(t, other, "for another key"),
		[]byte{}, nil,
		bytes.Repeat([]byte("plain text "), 90_000), // almost a megabyte
		[]byte{0xff, 0xfe, 0x00},
		[]byte("<script>alert(1)</script>"),
		good,
	)
	bomb := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(good)}
	for i := range 10_000 {
		bomb.Headers = append(bomb.Headers, sarama.RecordHeader{Key: fmt.Appendf(nil, "header-%d", i), Value: []byte("x")})
	}
	send(t, c, []*sarama.ProducerMessage{bomb})
	write(t, c, 0, encrypt(t, key, "the last one"))

	p := consume(t, settings(t, c.ListenAddrs(), url))
	got := p.waitStates(map[string]int{"decrypted": 4, "malformed": 2, "undecryptable": 2, "plain": 5})
	if last := got[len(got)-1]; last.Value != "the last one" {
		t.Errorf("after the bad records comes %q", last.Value)
	}
	page := string(p.get(p.page))
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert") {
		t.Error("a record's markup is not shown as text")
	}
	if len(page) > 2<<20 {
		t.Errorf("the page has %d bytes: one large record must not freeze a browser", len(page))
	}
}

// Without this a restart would show an empty page, or read everything again.
func TestRestartBringsHistoryBack(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 3), newKey(t)
	_, url := sidecar(t, key)
	cfg := settings(t, c.ListenAddrs(), url)
	cfg.WebHistory = 10
	first := consume(t, cfg)
	for i := range 30 {
		write(t, c, int32(i%3), encrypt(t, key, fmt.Sprintf("message %d", i)))
	}
	first.wait("all records are read", func() bool { return read(first) == 30 })
	first.stop()
	before := committed(t, c)
	cfg.WebAddr, cfg.MetricsAddr = freeAddr(t), freeAddr(t)
	second := consume(t, cfg)
	got := second.waitStates(map[string]int{"decrypted": 10})
	seen := map[string]bool{}
	for _, r := range got {
		seen[r.Value] = true
	}
	for i := 20; i < 30; i++ {
		if !seen[fmt.Sprintf("message %d", i)] {
			t.Errorf("message %d is among the last ten, and not shown after the restart", i)
		}
	}
	write(t, c, 0, encrypt(t, key, "after the restart"))
	second.wait("a new record is shown", func() bool { r := second.records(); return r[len(r)-1].Value == "after the restart" })
	second.stop()
	for p, offset := range committed(t, c) {
		if offset < before[p] {
			t.Errorf("partition %d: the group's offset went back from %d to %d", p, before[p], offset)
		}
	}
}

// Without this a second consumer, or the loss of one, would lose records or crash.
func TestRebalanceLosesNothing(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 4), newKey(t)
	_, url := sidecar(t, key)
	first := consume(t, settings(t, c.ListenAddrs(), url))
	want := map[string]bool{}
	some := func(from, to int) {
		for i := from; i < to; i++ {
			text := fmt.Sprintf("message %d", i)
			want[text] = true
			write(t, c, int32(i%4), encrypt(t, key, text))
		}
	}
	some(0, 20)
	first.wait("the first reads alone", func() bool { return read(first) >= 20 })
	second := consume(t, settings(t, c.ListenAddrs(), url))
	second.wait("the second got partitions", func() bool { return strings.Contains(second.log.String(), "reading") })
	some(20, 60)
	all := func(pods ...*pod) bool {
		got := map[string]bool{}
		for _, p := range pods {
			for _, r := range p.records() {
				got[r.Value] = true
			}
		}
		return len(got) == len(want)
	}
	first.wait("both together read everything", func() bool { return all(first, second) })
	second.stop()
	some(60, 80)
	first.wait("the first reads everything alone again", func() bool { return all(first) })
	positions := map[string]bool{}
	for _, r := range first.records() {
		at := fmt.Sprint(r.Partition, "/", r.Offset)
		if positions[at] {
			t.Errorf("the record at %s is on the page twice", at)
		}
		positions[at] = true
	}
}

// Without this a consumer that starts before its topic or broker needs a restart.
func TestTopicAndBrokerComeLater(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	_, url := sidecar(t, key)
	addr := freeAddr(t)
	cfg := settings(t, []string{addr}, url)
	p := consume(t, cfg)
	p.wait("the page says that Kafka is away", func() bool {
		return strings.Contains(string(p.get(p.metrics+"/readyz")), "kafka: unreachable")
	})
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p.wait("the page says that the topic is missing", func() bool {
		return strings.Contains(string(p.get(p.metrics+"/readyz")), "kafka: no_topic")
	})
	createTopic(t, c, 1)
	write(t, c, 0, encrypt(t, key, "at last"))
	p.waitStates(map[string]int{"decrypted": 1})
}
