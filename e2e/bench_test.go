package e2e_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

// perSecond runs work on every core until enough was done.
func perSecond(total int, work func()) float64 {
	var left atomic.Int64
	left.Store(int64(total))
	var cores sync.WaitGroup
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			for left.Add(-1) >= 0 {
				work()
			}
		})
	}
	cores.Wait()
	return float64(total) / time.Since(start).Seconds()
}

// BenchmarkConsumer compares what the consumer opens with what the cores can do
// at best: raw decryption is measured before and after it, in the same run.
func BenchmarkConsumer(b *testing.B) {
	const records = 2000
	key := newKey(b)
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte("Msg 1: hello"), nil)
	if err != nil {
		b.Fatal(err)
	}
	raw := func() float64 {
		return perSecond(records, func() {
			if _, err := rsa.DecryptOAEP(sha256.New(), nil, key, block, nil); err != nil {
				b.Error(err)
			}
		})
	}
	value := encrypt(b, key, "Msg 1: hello")
	for b.Loop() {
		c := broker(b, 2)
		_, url := sidecar(b, key)
		p := consume(b, settings(b, c.ListenAddrs(), url))
		p.wait("the key is there", func() bool { return p.keyState() == "released" })
		p.wait("Kafka is read", func() bool { return strings.Contains(p.log.String(), "reading") })
		before := raw()
		values := make([][]byte, records/2)
		for i := range values {
			values[i] = value
		}
		start := time.Now()
		write(b, c, 0, values...)
		write(b, c, 1, values...)
		p.wait("all is read", func() bool { return read(p) >= records })
		got := records / time.Since(start).Seconds()
		after := raw()
		b.ReportMetric((before+after)/2, "raw-decrypts/s")
		b.ReportMetric(got, "records/s")
		b.ReportMetric(2*got/(before+after), "ratio")
		p.stop()
	}
}

// BenchmarkProducer compares what the producer gets acknowledged with raw encryption.
func BenchmarkProducer(b *testing.B) {
	const records = 10_000
	key := newKey(b)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	line := "a line of a log file, as long as such lines are\n"
	for b.Loop() {
		c := broker(b, 2)
		raw := perSecond(records, func() {
			if _, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte(line), nil); err != nil {
				b.Error(err)
			}
		})
		start := time.Now()
		sum, err := producer.Run(context.Background(), producer.Config{
			Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: topic, Format: envelope.FormatRSA,
			PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		}, producer.Build{}, strings.NewReader(strings.Repeat(line, records)), slog.New(slog.DiscardHandler))
		if err != nil || sum.Acknowledged != records {
			b.Fatalf("%+v, %v", sum, err)
		}
		got := records / time.Since(start).Seconds()
		b.ReportMetric(raw, "raw-encrypts/s")
		b.ReportMetric(got, "records/s")
		b.ReportMetric(got/raw, "ratio")
	}
}

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
		b.ReportMetric(float64(idle)/1024, "MiB-idle")
		b.ReportMetric(float64(half)/1024, "MiB-half")
		b.ReportMetric(float64(resident(b, cmd.Process.Pid))/1024, "MiB-end")
		b.ReportMetric(float64(peak(b, cmd.Process.Pid))/1024, "MiB-peak")
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
