package bench_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
)

// BenchmarkMemory runs the built consumer with a million plain records and a hundred open pages, and reports its
// memory.
func BenchmarkMemory(b *testing.B) {
	const records, viewers = 1_000_000, 100
	program := harness.Build(b, "consume")
	for b.Loop() {
		c := harness.Broker(b, 2)
		page, metrics := harness.FreeAddr(b), harness.FreeAddr(b)
		p := &harness.Pod{T: b, Page: "http://" + page, Metrics: "http://" + metrics, Log: new(harness.LogBuffer)}
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "BROKERS="+c.ListenAddrs()[0], "TOPIC="+harness.Topic, "WEB_ADDR="+page, "METRICS_ADDR="+metrics)
		cmd.Stderr = p.Log
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		p.Wait("the page is served", func() bool { return p.Get(p.Page+"/api/key") != nil })
		ctx, cancel := context.WithCancel(context.Background())
		for range viewers {
			go watch(ctx, b, p.Page)
		}
		p.Wait("the viewers are connected", func() bool {
			return strings.Contains(string(p.Get(p.Metrics+"/metrics")), fmt.Sprintf("e2ee_viewers %d", viewers))
		})
		idle := harness.ResidentMemory(b, cmd.Process.Pid)
		start := time.Now()
		const chunk = 10_000
		messages := make([]*sarama.ProducerMessage, chunk)
		var half int
		for n := 0; n < records; n += chunk {
			for i := range messages {
				messages[i] = &sarama.ProducerMessage{Topic: harness.Topic, Partition: int32(i % 2), Value: sarama.StringEncoder("a plain record of about a hundred bytes, as a program that does not encrypt would have written it here")}
			}
			harness.Send(b, c, messages)
			if n == records/2 {
				half = harness.ResidentMemory(b, cmd.Process.Pid)
			}
		}
		p.Wait("all records are read", func() bool { return p.RecordsRead() >= records })
		b.ReportMetric(records/time.Since(start).Seconds(), "records/s")
		figures := newTable("viewers", "When", "Consumer, MiB")
		for _, at := range []struct {
			when, unit string
			kib        int
		}{
			{"100 viewers, no record yet", "MiB-idle", idle},
			{"after 500,000 records", "MiB-half", half},
			{"after 1,000,000", "MiB-end", harness.ResidentMemory(b, cmd.Process.Pid)},
			{"peak", "MiB-peak", harness.PeakMemory(b, cmd.Process.Pid)},
		} {
			b.ReportMetric(float64(at.kib)/1024, at.unit)
			figures.add(at.when, fmt.Sprint(at.kib/1024))
		}
		figures.publish(b)
		cancel()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("the consumer ended with: %v", err)
		}
	}
}

// watch is a viewer that reads its stream as a browser does.
func watch(ctx context.Context, b testing.TB, page string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/api/events", http.NoBody)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err != nil && ctx.Err() == nil {
		b.Errorf("a viewer was cut off: %v", err)
	}
}
