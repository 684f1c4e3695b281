package e2e_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// watching notes, in the page, how long each row took from its record's timestamp to the DOM, and the longest task.
const watching = `(() => {
	window.waits = []; window.longest = 0;
	new PerformanceObserver(list => list.getEntries().forEach(e => { window.longest = Math.max(window.longest, e.duration); })).observe({type: 'longtask'});
	new MutationObserver(changes => {
		const now = Date.now();
		for (const change of changes) for (const row of change.addedNodes) {
			const time = row.querySelector && row.querySelector('time[datetime]');
			if (time) window.waits.push(now - Date.parse(time.dateTime));
		}
	}).observe(document.getElementById('rows'), {childList: true});
	return true;
})()`

// BenchmarkPage measures, in Chromium, how long a record takes from its producer to the page at 1,000 a second, and what
// 50,000 records in ten seconds do to the page and to the memory of the server.
func BenchmarkPage(b *testing.B) {
	for name, load := range map[string]struct{ perSecond, seconds int }{"1000-a-second": {1000, 10}, "50000-in-10-s": {5000, 10}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c, key := broker(b, 1), newKey(b)
				_, url := sidecar(b, key)
				p := consume(b, settings(b, c.ListenAddrs(), url))
				view := open(browser(b), b, p.page)
				p.shown(view, "#live", "Live")
				looked[bool](view, watching)
				most := steady(b, c, load.perSecond, load.seconds)
				p.shown(view, "#rows li:first-child", fmt.Sprintf("record %d.", load.perSecond*load.seconds-1))
				rank := func(part float64) float64 {
					return looked[float64](view, fmt.Sprintf("window.waits.sort((a, b) => a - b)[Math.floor(window.waits.length * %v)]", part))
				}
				b.ReportMetric(rank(0.5), "ms-p50")
				b.ReportMetric(rank(0.99), "ms-p99")
				b.ReportMetric(looked[float64](view, "window.longest"), "ms-longest-task")
				b.ReportMetric(looked[float64](view, "document.querySelectorAll('#rows > li').length"), "rows")
				b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
				p.stop()
			}
		})
	}
}

// steady writes records at a steady rate, and gives the most heap that was in use meanwhile.
func steady(b *testing.B, c cluster, perSecond, seconds int) (most uint64) {
	b.Helper()
	conf := sarama.NewConfig()
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	p, err := sarama.NewAsyncProducer(c.ListenAddrs(), conf)
	if err != nil {
		b.Fatal(err)
	}
	const ticks = 100 // a second
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for n := 0; n < perSecond*seconds; {
		<-tick.C
		for range perSecond / ticks {
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprintf("record %d.", n)), Timestamp: time.Now()}
			n++
		}
		if n%perSecond == 0 {
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			most = max(most, memory.HeapInuse)
		}
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
	return most
}
