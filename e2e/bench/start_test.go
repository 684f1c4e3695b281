package bench_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
)

// BenchmarkStart measures how long the built programs take from their start to their first result, with Kafka and the
// sidecar running: the median of several starts.
func BenchmarkStart(b *testing.B) {
	const starts = 9
	k := harness.NewKeys(b)
	harness.Build(b, "produce")
	harness.Build(b, "consume")
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
			harness.StartProducer(b, addrs{addr}, k.Public, strings.NewReader("hello\n"), "TOPIC="+topic, "FORMAT=envelope").WaitExit()
			return time.Since(begun)
		})
		until := func(holds func(*harness.Pod) bool) func() time.Duration {
			return func() time.Duration {
				begun := time.Now()
				p, _ := harness.StartConsumer(b, addrs{addr}, k.Sidecar, "TOPIC="+topic, fmt.Sprint("CONSUMERGROUP=start-", begun.UnixNano()))
				defer p.Stop()
				for !holds(p) {
					time.Sleep(time.Millisecond)
				}
				return time.Since(begun)
			}
		}
		add("the consumer", "its page", "ms-page", until(func(p *harness.Pod) bool { return p.Get(p.Page+"/") != nil }))
		add("the consumer", "the released key", "ms-key", until(func(p *harness.Pod) bool { return p.KeyState() == "released" }))
		add("the consumer", "the first record on its page, decrypted", "ms-record", until(func(p *harness.Pod) bool {
			records := p.Records()
			return len(records) > 0 && records[0].State == "decrypted"
		}))
		figures.publish(b)
	}
}
