package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const benchPartitions = 3

// workload is lines of one size in a file, as log lines are.
type workload struct {
	size, records int
	file          string
}

func newWorkload(b *testing.B, size int) workload {
	w := workload{size: size, records: min(200_000, 256<<20/size), file: filepath.Join(b.TempDir(), "lines")}
	f, err := os.Create(w.file)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	// Text that does not compress: what the sizes in the topic are compared with is its length.
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."
	line := make([]byte, size+1)
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range line {
		line[i] = letters[chance.IntN(len(letters))]
	}
	line[size] = '\n'
	for n := range w.records {
		copy(line, fmt.Sprintf("%09d", n))
		if _, err := out.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return w
}

// plain sends the lines as they are, with the producer's client settings and
// nothing else: the least that a program with sarama does.
func (w workload) plain(b *testing.B, addr, topic string, codec sarama.CompressionCodec) float64 {
	c, err := kafkaconf.Settings{Brokers: []string{addr}}.Sarama("plain")
	if err != nil {
		b.Fatal(err)
	}
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes, c.Producer.MaxMessageBytes, c.Producer.Compression = true, 4<<20, codec
	start := time.Now()
	p, err := sarama.NewAsyncProducer([]string{addr}, c)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	window := make(chan struct{}, min(4096, max(32<<20/w.size, 1)))
	var answers sync.WaitGroup
	answers.Go(func() {
		for range p.Successes() {
			<-window
		}
	})
	answers.Go(func() {
		for err := range p.Errors() {
			b.Error(err)
			<-window
		}
	})
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		window <- struct{}{}
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(line[:len(line)-1])}
	}
	p.AsyncClose()
	answers.Wait()
	return float64(w.records) / time.Since(start).Seconds()
}

func (w workload) settings(k keys, addr, topic string, format envelope.Format, codec sarama.CompressionCodec) producer.Config {
	return producer.Config{
		Settings: kafkaconf.Settings{Brokers: []string{addr}}, Topic: topic, Format: format, PublicKey: k.public,
		SigningKeyFile: k.signing, Compression: codec.String(),
	}
}

// sealed is the same with the producer.
func (w workload) sealed(b *testing.B, cfg producer.Config) float64 {
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	sum, err := producer.Run(context.Background(), cfg, producer.Build{}, f, slog.New(slog.DiscardHandler))
	if err != nil || sum.Acknowledged != uint64(w.records) {
		b.Fatalf("%+v, %v", sum, err)
	}
	return float64(w.records) / time.Since(start).Seconds()
}

// consumed is how many records a second the consumer reads from its first one on.
func consumed(b *testing.B, addr, topic, sidecar, trusted, state string, records int) float64 {
	cfg := settings(b, []string{addr}, sidecar)
	cfg.Topic, cfg.Group, cfg.TrustedSendersFile = topic, fmt.Sprint(topic, "-", time.Now().UnixNano()), trusted
	p := consume(b, cfg)
	defer p.stop()
	p.wait("the key is there", func() bool { return p.keyState() == "released" })
	first, before := time.Time{}, 0
	for {
		n := read(p)
		switch {
		case n >= records:
			if !strings.Contains(string(p.get(p.metrics+"/metrics")), fmt.Sprintf("e2ee_consumer_records_total{state=%q,topic=%q} %v", state, topic, float64(records))) {
				b.Errorf("not all of the %d records are %s", records, state)
			}
			return float64(n-before) / time.Since(first).Seconds()
		case n > 0 && first.IsZero():
			first, before = time.Now(), n
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// best runs work so often and gives the highest result: the machine's disturbances only ever slow down.
func best(times int, work func() float64) float64 {
	top := 0.0
	for range times {
		top = max(top, work())
	}
	return top
}

// BenchmarkThroughput compares producer and consumer in the format envelope
// with plaintext, in one run: the producer with a program that only sends, the
// consumer with itself.
func BenchmarkThroughput(b *testing.B) {
	addr := benchKafka(b)
	k := newKeys(b)
	for _, size := range []int{100, 1 << 10, 10 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := newWorkload(b, size)
			for round := 0; b.Loop(); round++ {
				name := func(what string) string { return fmt.Sprintf("%s-%d-%d", what, size, round) }
				codec := sarama.CompressionNone
				plainSize, sealedSize := freshTopic(b, addr, name("plain"), benchPartitions), freshTopic(b, addr, name("sealed"), benchPartitions)
				freshTopic(b, addr, name("warm"), benchPartitions)
				w.plain(b, addr, name("warm"), codec) // the broker compiles itself as it goes
				plain := w.plain(b, addr, name("plain"), codec)
				sealed := w.sealed(b, w.settings(k, addr, name("sealed"), envelope.FormatEnvelope, codec))
				if bytes := sealedSize(); bytes > 0 {
					b.ReportMetric(float64(bytes)/float64(w.size*w.records), "bytes-ratio")
					b.ReportMetric(float64(plainSize())/float64(w.size*w.records), "plain-bytes-ratio")
				}
				readPlain, readSealed := 0.0, 0.0
				for range 2 {
					readPlain = max(readPlain, consumed(b, addr, name("plain"), k.sidecar, k.trusted, "plain", w.records))
					readSealed = max(readSealed, consumed(b, addr, name("sealed"), k.sidecar, k.trusted, "decrypted", w.records))
				}
				b.ReportMetric(plain, "produced-plain/s")
				b.ReportMetric(sealed, "produced/s")
				b.ReportMetric(sealed/plain, "produced-ratio")
				b.ReportMetric(readPlain, "consumed-plain/s")
				b.ReportMetric(readSealed, "consumed/s")
				b.ReportMetric(readSealed/readPlain, "consumed-ratio")
			}
		})
	}
}

// peakOf runs a built program with the lines and gives its peak memory, in MiB.
func peakOf(b *testing.B, cmd *exec.Cmd) float64 {
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(usage.Maxrss) / 1024 // getrusage(2): KiB on Linux
}
