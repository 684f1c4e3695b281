package e2e_test

import (
	"bufio"
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
)

// BenchmarkMemory runs the built program under a million plain records and a
// hundred open pages, and reports what it holds.
func BenchmarkMemory(b *testing.B) {
	const records, viewers = 1_000_000, 100
	program := build(b, "consume")
	for b.Loop() {
		c := broker(b, 2)
		page, metrics := freeAddr(b), freeAddr(b)
		p := &pod{t: b, page: "http://" + page, metrics: "http://" + metrics, log: new(buffer)}
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "BROKERS="+c.ListenAddrs()[0], "TOPIC="+topic, "WEB_ADDR="+page, "METRICS_ADDR="+metrics)
		cmd.Stderr = p.log
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		p.wait("the page is served", func() bool { return p.get(p.page+"/api/key") != nil })
		ctx, cancel := context.WithCancel(context.Background())
		for range viewers {
			go watch(ctx, b, p.page)
		}
		p.wait("the viewers are there", func() bool {
			return strings.Contains(string(p.get(p.metrics+"/metrics")), fmt.Sprintf("e2ee_viewers %d", viewers))
		})
		idle := resident(b, cmd.Process.Pid)
		start := time.Now()
		const chunk = 10_000
		messages := make([]*sarama.ProducerMessage, chunk)
		var half int
		for n := 0; n < records; n += chunk {
			for i := range messages {
				messages[i] = &sarama.ProducerMessage{Topic: topic, Partition: int32(i % 2), Value: sarama.StringEncoder("a plain record of about a hundred bytes, as a program that does not encrypt would have written it here")}
			}
			send(b, c, messages)
			if n == records/2 {
				half = resident(b, cmd.Process.Pid)
			}
		}
		p.wait("all is read", func() bool { return read(p) >= records })
		b.ReportMetric(records/time.Since(start).Seconds(), "records/s")
		figures := newTable("viewers", "When", "Consumer, MiB")
		for _, at := range []struct {
			when, unit string
			kib        int
		}{
			{"100 viewers, no record yet", "MiB-idle", idle},
			{"after 500,000 records", "MiB-half", half},
			{"after 1,000,000", "MiB-end", resident(b, cmd.Process.Pid)},
			{"peak", "MiB-peak", peak(b, cmd.Process.Pid)},
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

func resident(b testing.TB, pid int) int { return memory(b, pid, "VmRSS:") }
func peak(b testing.TB, pid int) int     { return memory(b, pid, "VmHWM:") }

// memory reads a process's figure in KiB (proc_pid_status(5)); 0 where there is no /proc.
func memory(b testing.TB, pid int, name string) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Logf("memory is not measured here: %v", err)
		return 0
	}
	defer f.Close()
	var kib int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				b.Fatalf("reading %s: %v", name, err)
			}
		}
	}
	return kib
}
