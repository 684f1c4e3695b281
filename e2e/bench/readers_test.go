package bench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// BenchmarkReaders measures what each further reader costs the producer, and the topic.
func BenchmarkReaders(b *testing.B) {
	broker, k := benchBroker(b), harness.NewKeys(b)
	figures := newTable("readers", "Readers", "Produced, records/s", "÷ one reader", "CPU s a million", "Bytes ÷ message")
	w := newWorkload(b, 1<<10)
	counts := []int{1, 4, 16}
	pems := []string{k.Public}
	for len(pems) < counts[len(counts)-1] {
		pems = append(pems, harness.PublicPEM(b, &harness.NewKey(b).PublicKey))
	}
	stored := make(map[string]func() int64)
	var candidates []candidate
	for _, n := range counts {
		name, readers := fmt.Sprint(n), strings.Join(pems[:n], "")
		candidates = append(candidates, candidate{name, func() rate {
			topic := fmt.Sprintf("readers-%s-%d", name, time.Now().UnixNano())
			stored[name] = freshTopic(b, broker.addr, topic, benchPartitions)
			cfg := w.settings(k, broker.addr, topic, envelope.FormatEnvelope, sarama.CompressionNone)
			cfg.PublicKey = readers
			return w.sealed(b, cfg)
		}})
	}
	for b.Loop() {
		by := alternate(b, candidates...)
		one := by["1"].median()
		for _, n := range counts {
			name := fmt.Sprint(n)
			r, size := by[name].median(), float64(stored[name]())/float64(w.size*w.records)
			b.ReportMetric(r.perSecond/one.perSecond, "of-one-reader-"+name)
			b.ReportMetric(size, "bytes/message-"+name)
			figures.add(name, by[name].records(), fmt.Sprintf("%.2f", r.perSecond/one.perSecond), r.cpu(), fmt.Sprintf("%.2f", size))
		}
	}
	figures.publish(b)
}

// BenchmarkPolicy measures what it costs the consumer to require a verified sender, beside only showing it.
func BenchmarkPolicy(b *testing.B) {
	broker, k := benchBroker(b), harness.NewKeys(b)
	figures := newTable("policy", "Policy", "Consumed, records/s", "÷ none", "CPU s a million")
	w := newWorkload(b, 1<<10)
	topic := fmt.Sprintf("policy-%d", time.Now().UnixNano())
	freshTopic(b, broker.addr, topic, benchPartitions)
	w.sealed(b, w.settings(k, broker.addr, topic, envelope.FormatEnvelope, sarama.CompressionNone))
	policies := []struct {
		name string
		set  func(*consumer.Config)
	}{
		{"none", func(*consumer.Config) {}},
		{"senders verified", func(c *consumer.Config) { c.TrustedSendersFile = k.Trusted }},
		{"`REQUIRE_SENDER=verified`", func(c *consumer.Config) { c.TrustedSendersFile, c.RequireSender = k.Trusted, "verified" }},
	}
	var candidates []candidate
	for _, p := range policies {
		candidates = append(candidates, candidate{p.name, func() rate { return consumedWith(b, broker.addr, topic, k.Sidecar, "decrypted", w.records, p.set) }})
	}
	for b.Loop() {
		by := alternate(b, candidates...)
		none := by["none"].median()
		for i, p := range policies {
			r := by[p.name].median()
			b.ReportMetric(r.perSecond/none.perSecond, fmt.Sprint("of-none-", i))
			figures.add(p.name, by[p.name].records(), fmt.Sprintf("%.2f", r.perSecond/none.perSecond), r.cpu())
		}
	}
	figures.publish(b)
}
