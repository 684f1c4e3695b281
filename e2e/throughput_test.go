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
	w := workload{size: size, records: min(100_000, 192<<20/size), file: filepath.Join(b.TempDir(), "lines")}
	f, err := os.Create(w.file)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	// Another text in each line, so that compression finds nothing to share between them.
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."
	line := make([]byte, size+1)
	chance := rand.NewChaCha8([32]byte{1})
	for n := range w.records {
		if _, err := chance.Read(line); err != nil {
			b.Fatal(err)
		}
		for i, c := range line {
			line[i] = letters[int(c)%len(letters)]
		}
		copy(line, fmt.Sprintf("%09d", n))
		line[size] = '\n'
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
func (w workload) plain(b *testing.B, addr, topic string, codec sarama.CompressionCodec) rate {
	c, err := kafkaconf.Settings{Brokers: []string{addr}}.Sarama("plain")
	if err != nil {
		b.Fatal(err)
	}
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes, c.Producer.MaxMessageBytes, c.Producer.Compression = true, 4<<20, codec
	watch := startWatch()
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
	return watch.stop(w.records)
}

func (w workload) settings(k keys, addr, topic string, format envelope.Format, codec sarama.CompressionCodec) producer.Config {
	return producer.Config{
		Settings: kafkaconf.Settings{Brokers: []string{addr}}, Topic: topic, Format: format, PublicKey: k.public,
		SigningKeyFile: k.signing, Batching: kafkaconf.Batching{Compression: codec.String()},
	}
}

// sealed is the same with the producer.
func (w workload) sealed(b *testing.B, cfg producer.Config) rate {
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	watch := startWatch()
	sum, err := producer.Run(context.Background(), cfg, producer.Build{}, f, slog.New(slog.DiscardHandler))
	if err != nil || sum.Acknowledged != uint64(w.records) {
		b.Fatalf("%+v, %v", sum, err)
	}
	return watch.stop(w.records)
}

// consumed is how many records a second the consumer reads from its first one on.
func consumed(b *testing.B, addr, topic, sidecar, trusted, state string, records int) rate {
	cfg := settings(b, []string{addr}, sidecar)
	cfg.Topic, cfg.Group, cfg.TrustedSendersFile = topic, fmt.Sprint(topic, "-", time.Now().UnixNano()), trusted
	p := consume(b, cfg)
	defer p.stop()
	p.wait("the key is there", func() bool { return p.keyState() == "released" })
	watch, before := stopwatch{}, 0
	for {
		n := read(p)
		switch {
		case n >= records:
			if !strings.Contains(string(p.get(p.metrics+"/metrics")), fmt.Sprintf("e2ee_consumer_records_total{state=%q,topic=%q} %v", state, topic, float64(records))) {
				b.Errorf("not all of the %d records are %s", records, state)
			}
			return watch.stop(n - before)
		case n > 0 && watch.began.IsZero():
			watch, before = startWatch(), n
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// rate is records a second, and what each took of this process's processors: the machine's other work disturbs
// the first more than the second.
type rate struct{ perSecond, cpuMicros float64 }

func (r rate) best(other rate) rate {
	if other.perSecond > r.perSecond {
		return other
	}
	return r
}

type stopwatch struct {
	began time.Time
	cpu   time.Duration
}

func startWatch() stopwatch { return stopwatch{time.Now(), cpuTime()} }

func (s stopwatch) stop(records int) rate {
	return rate{
		perSecond: float64(records) / time.Since(s.began).Seconds(),
		cpuMicros: float64((cpuTime() - s.cpu).Microseconds()) / float64(records),
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkThroughput compares producer and consumer in the format envelope
// with plaintext, in one run: the producer with a program that only sends, the
// consumer with itself. They take turns, and the best of each counts.
func BenchmarkThroughput(b *testing.B) {
	addr := benchKafka(b)
	k := newKeys(b)
	for _, size := range []int{100, 1 << 10, 10 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := newWorkload(b, size)
			for b.Loop() {
				w.compare(b, addr, k)
			}
		})
	}
}

const rounds = 3

func (w workload) compare(b *testing.B, addr string, k keys) {
	var plain, sealed, readPlain, readSealed rate
	name := func(what string, round int) string {
		return fmt.Sprintf("%s-%d-%d-%d", what, w.size, round, time.Now().UnixNano())
	}
	warm := name("warm", 0)
	freshTopic(b, addr, warm)
	w.plain(b, addr, warm, sarama.CompressionNone) // the broker compiles itself as it goes
	for round := range rounds {
		asIs, closed := name("plain", round), name("sealed", round)
		plainSize, sealedSize := freshTopic(b, addr, asIs), freshTopic(b, addr, closed)
		plain = plain.best(w.plain(b, addr, asIs, sarama.CompressionNone))
		sealed = sealed.best(w.sealed(b, w.settings(k, addr, closed, envelope.FormatEnvelope, sarama.CompressionNone)))
		readPlain = readPlain.best(consumed(b, addr, asIs, k.sidecar, k.trusted, "plain", w.records))
		readSealed = readSealed.best(consumed(b, addr, closed, k.sidecar, k.trusted, "decrypted", w.records))
		if round == 0 {
			b.ReportMetric(float64(sealedSize())/float64(w.size*w.records), "sealed-bytes/plaintext")
			b.ReportMetric(float64(plainSize())/float64(w.size*w.records), "plain-bytes/plaintext")
		}
	}
	for what, pair := range map[string][2]rate{"produced": {plain, sealed}, "consumed": {readPlain, readSealed}} {
		b.ReportMetric(pair[0].perSecond, what+"-plain/s")
		b.ReportMetric(pair[1].perSecond, what+"-sealed/s")
		b.ReportMetric(pair[1].perSecond/pair[0].perSecond, what+"-ratio")
		b.ReportMetric(pair[0].cpuMicros, what+"-plain-cpu-µs")
		b.ReportMetric(pair[1].cpuMicros, what+"-sealed-cpu-µs")
	}
}

// BenchmarkAgainstRSA compares the consumer in the formats envelope and rsa,
// with messages that both hold.
func BenchmarkAgainstRSA(b *testing.B) {
	addr, k := benchKafka(b), newKeys(b)
	rateOf := func(w workload, format envelope.Format) rate {
		topic := fmt.Sprintf("%s-%d", format, time.Now().UnixNano())
		freshTopic(b, addr, topic)
		cfg := w.settings(k, addr, topic, format, sarama.CompressionNone)
		if format == envelope.FormatRSA {
			cfg.SigningKeyFile = ""
		}
		w.sealed(b, cfg)
		return consumed(b, addr, topic, k.sidecar, k.trusted, "decrypted", w.records)
	}
	many := newWorkload(b, 300)
	few := workload{size: many.size, records: 2000, file: filepath.Join(b.TempDir(), "few")}
	text, err := os.ReadFile(many.file)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(few.file, text[:few.records*(few.size+1)], 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		slow, fast := rateOf(few, envelope.FormatRSA), rateOf(many, envelope.FormatEnvelope)
		b.ReportMetric(slow.perSecond, "rsa/s")
		b.ReportMetric(fast.perSecond, "envelope/s")
		b.ReportMetric(fast.perSecond/slow.perSecond, "ratio")
	}
}

// BenchmarkTopicSize compares the bytes in the topic with those of the
// messages, records of 1 KiB of text that does not compress.
func BenchmarkTopicSize(b *testing.B) {
	addr, k := benchKafka(b), newKeys(b)
	w := newWorkload(b, 1<<10)
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionZSTD} {
		for _, signed := range []string{"", k.signing} {
			b.Run(fmt.Sprint(codec, "/signed=", signed != ""), func(b *testing.B) {
				for b.Loop() {
					topic := fmt.Sprintf("size-%d", time.Now().UnixNano())
					size := freshTopic(b, addr, topic)
					cfg := w.settings(k, addr, topic, envelope.FormatEnvelope, codec)
					cfg.SigningKeyFile = signed
					w.sealed(b, cfg)
					b.ReportMetric(float64(size())/float64(w.size*w.records), "bytes/plaintext")
				}
			})
		}
	}
}

// BenchmarkPeak runs the built programs with records of each size and reports
// the most memory that they held.
func BenchmarkPeak(b *testing.B) {
	addr, k := benchKafka(b), newKeys(b)
	program, reader := build(b, "produce"), build(b, "consume")
	for _, size := range []int{100, 1 << 10, 10 << 10, 1 << 20} {
		w := newWorkload(b, size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				topic := fmt.Sprintf("peak-%d", time.Now().UnixNano())
				freshTopic(b, addr, topic)
				b.ReportMetric(w.producerPeak(b, program, k, addr, topic), "MiB-producer")
				b.ReportMetric(w.consumerPeak(b, reader, k, addr, topic), "MiB-consumer")
			}
		})
	}
}

func (w workload) producerPeak(b *testing.B, program string, k keys, addr, topic string) float64 {
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(program, "-stdin")
	cmd.Stdin = f
	cmd.Env = append(os.Environ(), "BROKERS="+addr, "TOPIC="+topic, "FORMAT=envelope", "PUBKEY="+k.public, "SIGNING_KEY_FILE="+k.signing, "METRICS_ADDR=")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	// Looked at while it runs: the figure that the kernel keeps after the end begins with that of this process.
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for most := 0; ; {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatal(err)
			}
			return float64(most) / 1024
		case <-time.After(20 * time.Millisecond):
			most = max(most, peakNow(cmd.Process.Pid))
		}
	}
}

// peakNow is a process's peak memory in KiB (proc_pid_status(5)); 0 once it has ended.
func peakNow(pid int) (kib int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if !found {
		return 0
	}
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0
	}
	return kib
}

func (w workload) consumerPeak(b *testing.B, program string, k keys, addr, topic string) float64 {
	page, metrics := freeAddr(b), freeAddr(b)
	p := &pod{t: b, page: "http://" + page, metrics: "http://" + metrics, log: new(buffer)}
	cmd := exec.Command(program)
	cmd.Stderr = p.log
	cmd.Env = append(os.Environ(), "BROKERS="+addr, "TOPIC="+topic, "WEB_ADDR="+page, "METRICS_ADDR="+metrics, "TRUSTED_SENDERS_FILE="+k.trusted,
		"SkrClientKID="+keyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL="+k.sidecar)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.wait("all is read", func() bool { return read(p) >= w.records })
	most := float64(peak(b, cmd.Process.Pid)) / 1024
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		b.Errorf("the consumer ended with: %v", err)
	}
	return most
}
