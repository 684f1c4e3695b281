package story_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this the demo would show nothing: a released key turns records into text.
func TestReleasedKeyShowsPlaintext(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	harness.Write(t, c, 0, harness.Encrypt(t, key, "Msg 1: hello"))
	got := p.WaitStates(map[string]int{"decrypted": 1})
	if got[0].Value != "Msg 1: hello" || got[0].Encoding != "utf-8" {
		t.Errorf("shown: %q as %s", got[0].Value, got[0].Encoding)
	}
	if page := string(p.Get(p.Page)); !strings.Contains(page, "Msg 1: hello") || !strings.Contains(page, "Welcome to Confidential Containers on AKS!") {
		t.Error("the page without JavaScript lacks the heading or the message")
	}
}

// Without this an ordinary pod would show less than it has, or more than it may.
func TestOrdinaryPodShowsCiphertext(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	value := harness.Encrypt(t, key, "Msg 1: hello")
	harness.Write(t, c, 0, value)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), "http://"+harness.FreeAddr(t)))
	got := p.WaitStates(map[string]int{"no_key": 1})
	if wire, err := base64.StdEncoding.DecodeString(got[0].Wire); err != nil || !bytes.Equal(wire, value) {
		t.Error("the page does not hold the bytes that are in the topic")
	}
	p.Wait("the page says that nothing answers", func() bool { return p.KeyState() == "unreachable" })
	if !p.Misses("key", "unreachable") {
		t.Errorf("/readyz does not say what is missing: %v", p.Missing())
	}
}

// Without this a sidecar that starts after the consumer would need a restart of the consumer.
func TestLateReleaseDecryptsRecords(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	s, url := harness.Sidecar(t, key)
	s.Refuse(skrtest.RefusalPolicy)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	var values [][]byte
	for i := range 20 {
		values = append(values, harness.Encrypt(t, key, fmt.Sprintf("Msg %d: late", i+1)))
	}
	harness.Write(t, c, 0, values...)
	before := p.WaitStates(map[string]int{"no_key": 20})
	p.Wait("the refusal is shown", func() bool { return p.KeyState() == "refused" })
	s.Behave(skrtest.Release)
	after := p.WaitStates(map[string]int{"decrypted": 20})
	for i, r := range after {
		if want := fmt.Sprintf("Msg %d: late", i+1); r.Value != want {
			t.Errorf("record %d is %q, want %q", i, r.Value, want)
		}
		if r.Rev <= before[len(before)-1].Rev {
			t.Errorf("record %d was decrypted without a new rev: an open page would not see it", i)
		}
	}
	if p.KeyState() != "released" {
		t.Errorf("key state is %s", p.KeyState())
	}
}

// Without this one bad record could hide all good records after it.
func TestPoisonRecordsAreRows(t *testing.T) {
	t.Parallel()
	c, key, other := harness.Broker(t, 1), harness.NewKey(t), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	good := harness.Encrypt(t, key, "good")
	garbage := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 384))
	harness.Write(t, c, 0,
		good,
		good[:len(good)-5], // truncated base64
		[]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 300))), // wrong size
		[]byte(garbage), // right size
		harness.Encrypt(t, other, "for another key"),
		[]byte{}, nil,
		bytes.Repeat([]byte("plain text "), 90_000), // almost a megabyte
		[]byte{0xff, 0xfe, 0x00},
		[]byte("<script>alert(1)</script>"),
		good,
	)
	bomb := &sarama.ProducerMessage{Topic: harness.Topic, Value: sarama.ByteEncoder(good)}
	for i := range 10_000 {
		bomb.Headers = append(bomb.Headers, sarama.RecordHeader{Key: fmt.Appendf(nil, "header-%d", i), Value: []byte("x")})
	}
	harness.Send(t, c, []*sarama.ProducerMessage{bomb})
	harness.Write(t, c, 0, harness.Encrypt(t, key, "the last one"))

	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	got := p.WaitStates(map[string]int{"decrypted": 4, "malformed": 2, "undecryptable": 2, "plain": 4, "tombstone": 1})
	if last := got[len(got)-1]; last.Value != "the last one" {
		t.Errorf("after the bad records comes %q", last.Value)
	}
	page := string(p.Get(p.Page))
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
	c, key := harness.Broker(t, 3), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	cfg := harness.Settings(t, c.ListenAddrs(), url)
	cfg.WebHistory = 10
	first := harness.Consume(t, cfg)
	for i := range 30 {
		harness.Write(t, c, int32(i%3), harness.Encrypt(t, key, fmt.Sprintf("message %d", i)))
	}
	first.Wait("all records are read", func() bool { return first.RecordsRead() >= 30 })
	first.Stop()
	before := harness.Committed(t, c)
	cfg.Access.Addr, cfg.MetricsAddr = harness.FreeAddr(t), harness.FreeAddr(t)
	second := harness.Consume(t, cfg)
	got := second.WaitStates(map[string]int{"decrypted": 10})
	seen := map[string]bool{}
	for _, r := range got {
		seen[r.Value] = true
	}
	for i := 20; i < 30; i++ {
		if !seen[fmt.Sprintf("message %d", i)] {
			t.Errorf("message %d is among the last ten, and not shown after the restart", i)
		}
	}
	harness.Write(t, c, 0, harness.Encrypt(t, key, "after the restart"))
	second.Wait("a new record is shown", func() bool { return second.Newest().Value == "after the restart" })
	second.Stop()
	for p, offset := range harness.Committed(t, c) {
		if offset < before[p] {
			t.Errorf("partition %d: the group's offset went back from %d to %d", p, before[p], offset)
		}
	}
}

// Without this a second consumer, or the loss of one, would lose records or crash.
func TestRebalanceLosesNothing(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 4), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	first := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	want := map[string]bool{}
	some := func(from, to int) {
		for i := from; i < to; i++ {
			text := fmt.Sprintf("message %d", i)
			want[text] = true
			harness.Write(t, c, int32(i%4), harness.Encrypt(t, key, text))
		}
	}
	some(0, 20)
	first.Wait("the first reads alone", func() bool { return first.RecordsRead() >= 20 })
	second := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	second.Wait("the second got partitions", func() bool { return strings.Contains(second.Log.String(), "reading") })
	some(20, 60)
	all := func(pods ...*harness.Pod) bool {
		got := map[string]bool{}
		for _, p := range pods {
			for _, r := range p.Records() {
				got[r.Value] = true
			}
		}
		return len(got) == len(want)
	}
	first.Wait("both together read everything", func() bool { return all(first, second) })
	second.Stop()
	some(60, 80)
	first.Wait("the first reads everything alone again", func() bool { return all(first) })
	positions := map[string]bool{}
	for _, r := range first.Records() {
		at := fmt.Sprint(r.Partition, "/", r.Offset)
		if positions[at] {
			t.Errorf("the record at %s is on the page twice", at)
		}
		positions[at] = true
	}
}

// Without this a consumer that starts before its topic or broker would need a restart.
func TestTopicAndBrokerComeLater(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	addr := harness.FreeAddr(t)
	cfg := harness.Settings(t, []string{addr}, url)
	p := harness.Consume(t, cfg)
	p.Wait("/readyz says that Kafka is unreachable", func() bool { return p.Misses("kafka", "unreachable") })
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p.Wait("/readyz says that the topic is missing", func() bool { return p.Misses("kafka", "no_topic") })
	harness.CreateTopic(t, c, 1)
	harness.Write(t, c, 0, harness.Encrypt(t, key, "at last"))
	p.WaitStates(map[string]int{"decrypted": 1})
}
