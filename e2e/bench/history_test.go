package bench_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
)

// BenchmarkHistory measures how long a page lacks the old records after a restart, and how long new records take to
// reach it meanwhile.
func BenchmarkHistory(b *testing.B) {
	harness.Build(b, "consume")
	for _, size := range []struct {
		partitions int32
		records    int // in each
	}{{1, 1000}, {40, 1}, {1000, 50}} {
		b.Run(fmt.Sprintf("%d partitions of %d", size.partitions, size.records), func(b *testing.B) {
			for b.Loop() {
				addr, k := benchKafka(b), harness.NewKeys(b)
				freshTopic(b, addr, harness.Topic, size.partitions)
				c := addrs{addr}
				total := int(size.partitions) * size.records
				offsets := make(map[int32]int64)
				var records []*kgo.Record
				for p := range size.partitions {
					offsets[p] = int64(size.records)
					for i := range size.records {
						records = append(records, &kgo.Record{Topic: harness.Topic, Partition: p, Value: fmt.Append(nil, "old ", i)})
					}
				}
				client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner())) // waits for leaders
				if err != nil {
					b.Fatal(err)
				}
				if err := client.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
					b.Fatal(err)
				}
				client.Close()
				harness.Commit(b, c, "", offsets)
				p, _ := harness.StartConsumer(b, c, k.Sidecar, fmt.Sprint("WEB_HISTORY=", total+1000))
				for !strings.Contains(p.Log.String(), `"reading"`) {
					time.Sleep(time.Millisecond)
				}
				joined := time.Now()
				done := make(chan struct{})
				took := make(chan time.Duration, 1)
				go func() {
					defer close(done)
					p.Wait("the history is there", func() bool { return p.RecordsRead() >= total })
					took <- time.Since(joined)
				}()
				delays := newRecords(b, c, p, size.partitions, done)
				b.ReportMetric((<-took).Seconds(), "s-history")
				slices.Sort(delays)
				b.ReportMetric(float64(delays[len(delays)*99/100].Milliseconds()), "ms-live-p99")
				b.ReportMetric(float64(delays[len(delays)/2].Milliseconds()), "ms-live-median")
				b.ReportMetric(float64(len(delays)), "live-records")
				p.Stop()
			}
		})
	}
}

// newRecords writes one record after the other until done, a few at least, and returns how long each took from its
// write to the page.
func newRecords(b *testing.B, c harness.Cluster, p *harness.Pod, partitions int32, done <-chan struct{}) (delays []time.Duration) {
	b.Helper()
	conf := sarama.NewConfig()
	conf.Producer.Partitioner, conf.Producer.Return.Successes = sarama.NewManualPartitioner, true
	producer, err := sarama.NewSyncProducer(c.ListenAddrs(), conf)
	if err != nil {
		b.Fatal(err)
	}
	defer producer.Close()
	for i := 0; ; i++ {
		select {
		case <-done:
			if i >= 200 {
				return delays
			}
		default:
		}
		text, begun := fmt.Sprint("live ", i), time.Now()
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: harness.Topic, Partition: int32(i*7) % partitions, Value: sarama.StringEncoder(text)}); err != nil {
			b.Fatal(err)
		}
		for found := false; !found; {
			var answer struct{ Records []harness.Record }
			if err := json.Unmarshal(p.Get(p.Page+"/api/records?limit=10"), &answer); err != nil {
				b.Fatal(err)
			}
			found = slices.ContainsFunc(answer.Records, func(r harness.Record) bool { return r.Value == text })
			if !found {
				time.Sleep(2 * time.Millisecond)
			}
		}
		delays = append(delays, time.Since(begun))
	}
}
