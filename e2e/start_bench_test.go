package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart measures how long the built programs take from their start to
// what they are started for, with Kafka and the sidecar there: the median of
// several starts.
func BenchmarkStart(b *testing.B) {
	const starts = 9
	k := newKeys(b)
	build(b, "produce")
	build(b, "consume")
	for b.Loop() {
		figures := newTable("start", "From the start of", "to", "Median, ms")
		add := func(program, what, unit string, once func() time.Duration) {
			took := make([]time.Duration, starts)
			for i := range took {
				took[i] = once()
			}
			slices.Sort(took)
			median := float64(took[starts/2].Milliseconds())
			b.ReportMetric(median, unit)
			figures.add(program, what, fmt.Sprint(median))
		}
		addr := benchKafka(b)
		topic := fmt.Sprintf("start-%d", time.Now().UnixNano())
		freshTopic(b, addr, topic, 1)
		add("the producer", "its end: one line sealed and acknowledged", "ms-producer", func() time.Duration {
			begun := time.Now()
			startProducer(b, addrs{addr}, k.public, strings.NewReader("hello\n"), "TOPIC="+topic, "FORMAT=envelope").ended()
			return time.Since(begun)
		})
		until := func(holds func(*pod) bool) func() time.Duration {
			return func() time.Duration {
				begun := time.Now()
				p, _ := startConsumer(b, addrs{addr}, k.sidecar, "TOPIC="+topic, fmt.Sprint("CONSUMERGROUP=start-", begun.UnixNano()))
				defer p.stop()
				for !holds(p) {
					time.Sleep(time.Millisecond)
				}
				return time.Since(begun)
			}
		}
		add("the consumer", "its page", "ms-page", until(func(p *pod) bool { return p.get(p.page+"/") != nil }))
		add("the consumer", "the released key", "ms-key", until(func(p *pod) bool { return p.keyState() == "released" }))
		add("the consumer", "the first record on its page, decrypted", "ms-record", until(func(p *pod) bool {
			records := p.records()
			return len(records) > 0 && records[0].State == "decrypted"
		}))
		figures.publish(b)
	}
}
