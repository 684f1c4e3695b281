package bench_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
	"kafka-e2ee/producer"
)

// watching records in the page how long each row took from the producer's input, whose time is in the message, to the
// DOM, and the longest task.
const watching = `(() => {
	window.waits = []; window.longest = 0;
	new PerformanceObserver(list => list.getEntries().forEach(e => { window.longest = Math.max(window.longest, e.duration); })).observe({type: 'longtask'});
	new MutationObserver(changes => {
		const now = Date.now();
		for (const change of changes) for (const row of change.addedNodes) {
			const sent = /sent at (\d+)/.exec(row.textContent);
			if (sent) window.waits.push(now - sent[1]);
		}
	}).observe(document.getElementById('rows'), {childList: true});
	return true;
})()`

// BenchmarkPage measures, in Chromium, how long a message takes from the producer's input to the page, sealed, through
// Kafka and opened, and how up to 10,000 a second affect the page and the programs' memory.
func BenchmarkPage(b *testing.B) {
	const seconds = 10
	addr, k := benchKafka(b), harness.NewKeys(b)
	figures := newTable("page", "Records/s", "p50, ms", "p99, ms", "Longest task, ms", "Rows", "Heap, MiB")
	var labels []string
	series := make([][]float64, 2)
	for _, perSecond := range []int{10, 100, 1000, 5000, 10_000} {
		b.Run(fmt.Sprint(perSecond, "-a-second"), func(b *testing.B) {
			for b.Loop() {
				topic := fmt.Sprintf("page-%d", time.Now().UnixNano())
				freshTopic(b, addr, topic, 1)
				cfg := harness.Settings(b, []string{addr}, k.Sidecar)
				cfg.Topic, cfg.Group, cfg.TrustedSendersFile = topic, topic, k.Trusted
				p := harness.Consume(b, cfg)
				view := chrome.Open(chrome.Start(b), b, p.Page)
				view.Shows(p, "#live", "Live")
				chrome.Eval[bool](view, watching)
				most := steady(b, workload{}.settings(k, addr, topic, envelope.FormatEnvelope, sarama.CompressionNone), perSecond, seconds)
				p.Wait("all records are read", func() bool { return p.RecordsRead() >= perSecond*seconds })
				view.Shows(p, "#rows li:first-child", fmt.Sprintf("record %d,", perSecond*seconds-1))
				rank := func(part float64) float64 {
					return chrome.Eval[float64](view, fmt.Sprintf("window.waits.sort((a, b) => a - b)[Math.floor(window.waits.length * %v)]", part))
				}
				p50, p99 := rank(0.5), rank(0.99)
				task := chrome.Eval[float64](view, "window.longest")
				rows := chrome.Eval[float64](view, "document.querySelectorAll('#rows > li').length")
				heap := float64(most) / (1 << 20)
				b.ReportMetric(p50, "ms-p50")
				b.ReportMetric(p99, "ms-p99")
				b.ReportMetric(task, "ms-longest-task")
				b.ReportMetric(rows, "rows")
				b.ReportMetric(heap, "MiB-heap")
				figures.add(rate{perSecond: float64(perSecond)}.records(), fmt.Sprint(p50), fmt.Sprint(p99), fmt.Sprintf("%.0f", task), fmt.Sprint(rows), fmt.Sprintf("%.0f", heap))
				labels = append(labels, rate{perSecond: float64(perSecond)}.records())
				series[0], series[1] = append(series[0], p50), append(series[1], p99)
				p.Stop()
			}
		})
	}
	figures.publish(b)
	bars(b, "page", "From the producer's input to the page, ms, by records a second", labels, []string{"half within", "99 of 100 within"}, series)
}

// steady feeds lines to the producer at a steady rate, and returns the most heap in use.
func steady(b *testing.B, cfg producer.Config, perSecond, seconds int) (most uint64) {
	b.Helper()
	in, lines := io.Pipe()
	done := make(chan error, 1)
	go func() {
		sum, err := producer.Run(context.Background(), cfg, producer.Build{}, in, slog.New(slog.DiscardHandler))
		if err == nil && sum.Acknowledged != uint64(perSecond*seconds) {
			err = fmt.Errorf("%d acknowledged", sum.Acknowledged)
		}
		done <- err
	}()
	ticks := min(100, perSecond) // a second
	tick := time.NewTicker(time.Second / time.Duration(ticks))
	defer tick.Stop()
	for n := 0; n < perSecond*seconds; {
		<-tick.C
		for range perSecond / ticks {
			if _, err := fmt.Fprintf(lines, "record %d, sent at %d\n", n, time.Now().UnixMilli()); err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n%perSecond == 0 {
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			most = max(most, memory.HeapInuse)
		}
	}
	if err := lines.Close(); err != nil {
		b.Error(err)
	}
	if err := <-done; err != nil {
		b.Error(err)
	}
	return most
}
