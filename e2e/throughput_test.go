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
	"golang.org/x/text/language"
	"golang.org/x/text/message"

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

// first is the first lines of it.
func (w workload) first(b *testing.B, records int) workload {
	b.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		b.Fatal(err)
	}
	few := workload{size: w.size, records: records, file: filepath.Join(b.TempDir(), "first")}
	if err := os.WriteFile(few.file, text[:records*(w.size+1)], 0o600); err != nil {
		b.Fatal(err)
	}
	return few
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
	cfg := producer.Config{
		Settings: kafkaconf.Settings{Brokers: []string{addr}}, Topic: topic, Format: format, PublicKey: k.public,
		SigningKeyFile: k.signing, Batching: kafkaconf.Batching{Compression: codec.String()},
	}
	if format == envelope.FormatRSA {
		cfg.SigningKeyFile = "" // it has no place for a signature
	}
	return cfg
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
	r := fromFirst(records, func() int { return read(p) })
	if !strings.Contains(string(p.get(p.metrics+"/metrics")), fmt.Sprintf("e2ee_consumer_records_total{state=%q,topic=%q} %v", state, topic, float64(records))) {
		b.Errorf("not all of the %d records are %s", records, state)
	}
	return r
}

// fromFirst waits until so many records are read, and measures from the first ones on.
func fromFirst(records int, read func() int) rate {
	watch, before := stopwatch{}, 0
	for {
		n := read()
		switch {
		case n >= records:
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

func (r rate) records() string {
	return message.NewPrinter(language.English).Sprintf("%.0f", r.perSecond)
}

// cpu is seconds of a processor for a million records: as many as microseconds for one.
func (r rate) cpu() string {
	if r.cpuMicros < 10 {
		return fmt.Sprintf("%.1f", r.cpuMicros)
	}
	return fmt.Sprintf("%.0f", r.cpuMicros)
}

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
	columns := []string{"Record", "Compression", "Plaintext, records/s", "As long, records/s", "`envelope`, records/s", "÷ plaintext", "÷ as long", "Plaintext, CPU s a million", "`envelope`, CPU s a million"}
	produced, consumed := newTable("produced", columns...), newTable("consumed", columns...)
	var labels []string
	series := make([][]float64, 4)
	for _, size := range recordSizes {
		for _, codec := range codecs {
			b.Run(fmt.Sprint(size, "/", codec), func(b *testing.B) {
				w := newWorkload(b, size)
				for b.Loop() {
					c := w.compare(b, addr, k, codec)
					produced.add(c.produced.cells(size, codec)...)
					consumed.add(c.consumed.cells(size, codec)...)
					if codec != sarama.CompressionNone {
						continue
					}
					labels = append(labels, bytesOf(size))
					for i, r := range []rate{c.produced.plain, c.produced.sealed, c.consumed.plain, c.consumed.sealed} {
						series[i] = append(series[i], float64(int(r.perSecond*float64(size)/1e6)))
					}
				}
			})
		}
	}
	produced.publish(b)
	consumed.publish(b)
	bars(b, "throughput", "Messages through Kafka, MB/s, by the size of a record", labels,
		[]string{"produced, plaintext", "produced, envelope", "consumed, plaintext", "consumed, envelope"}, series)
}

var (
	recordSizes = []int{100, 1 << 10, 10 << 10, 1 << 20}
	codecs      = []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionLZ4, sarama.CompressionZSTD}
)

func bytesOf(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprint(size>>20, " MiB")
	case size >= 1<<10:
		return fmt.Sprint(size>>10, " KiB")
	}
	return fmt.Sprint(size, " B")
}

// comparison is a direction of the records without and with the envelope, and of plain ones that are as long as the
// sealed ones: what is slower than these is the cipher's, and the rest the bytes'.
type comparison struct{ plain, long, sealed rate }

func (c comparison) ratio() float64 { return c.sealed.perSecond / c.plain.perSecond }

func (c comparison) cells(size int, codec sarama.CompressionCodec) []string {
	long, ofLong := "–", "–"
	if codec == sarama.CompressionNone {
		long, ofLong = c.long.records(), fmt.Sprintf("%.2f", c.sealed.perSecond/c.long.perSecond)
	}
	return []string{bytesOf(size), codec.String(), c.plain.records(), long, c.sealed.records(), fmt.Sprintf("%.2f", c.ratio()), ofLong, c.plain.cpu(), c.sealed.cpu()}
}

const rounds = 3

func (w workload) compare(b *testing.B, addr string, k keys, codec sarama.CompressionCodec) (c struct{ produced, consumed comparison }) {
	name := func(what string, round int) string {
		return fmt.Sprintf("%s-%d-%s-%d-%d", what, w.size, codec, round, time.Now().UnixNano())
	}
	warm := name("warm", 0)
	freshTopic(b, addr, warm, benchPartitions)
	w.plain(b, addr, warm, codec) // the broker compiles itself as it goes
	read := func(best rate, topic, state string, records int) rate {
		return best.best(consumed(b, addr, topic, k.sidecar, k.trusted, state, records))
	}
	var long workload
	for round := range rounds {
		asIs, closed := name("plain", round), name("sealed", round)
		plainSize, sealedSize := freshTopic(b, addr, asIs, benchPartitions), freshTopic(b, addr, closed, benchPartitions)
		c.produced.plain = c.produced.plain.best(w.plain(b, addr, asIs, codec))
		c.produced.sealed = c.produced.sealed.best(w.sealed(b, w.settings(k, addr, closed, envelope.FormatEnvelope, codec)))
		c.consumed.plain = read(c.consumed.plain, asIs, "plain", w.records)
		c.consumed.sealed = read(c.consumed.sealed, closed, "decrypted", w.records)
		if round == 0 {
			b.ReportMetric(float64(sealedSize())/float64(w.size*w.records), "sealed-bytes/plaintext")
			b.ReportMetric(float64(plainSize())/float64(w.size*w.records), "plain-bytes/plaintext")
		}
		if codec != sarama.CompressionNone {
			continue // compressed, lines of that length would not be as long
		}
		if round == 0 {
			long = newWorkload(b, w.size+int(sealedSize()-plainSize())/w.records)
		}
		asLong := name("long", round)
		freshTopic(b, addr, asLong, benchPartitions)
		c.produced.long = c.produced.long.best(long.plain(b, addr, asLong, codec))
		c.consumed.long = read(c.consumed.long, asLong, "plain", long.records)
	}
	for what, way := range map[string]comparison{"produced": c.produced, "consumed": c.consumed} {
		b.ReportMetric(way.plain.perSecond, what+"-plain/s")
		b.ReportMetric(way.sealed.perSecond, what+"-sealed/s")
		if codec == sarama.CompressionNone {
			b.ReportMetric(way.long.perSecond, what+"-as-long/s")
		}
		b.ReportMetric(way.ratio(), what+"-ratio")
		b.ReportMetric(way.plain.cpuMicros, what+"-plain-cpu-µs")
		b.ReportMetric(way.sealed.cpuMicros, what+"-sealed-cpu-µs")
	}
	return c
}

// BenchmarkTopicSize compares the bytes in the topic with those of the
// messages, of text that does not compress.
func BenchmarkTopicSize(b *testing.B) {
	addr, k := benchKafka(b), newKeys(b)
	figures := newTable("topic-size", "Record", "Compression", "Unsigned", "Signed")
	for _, size := range []int{100, 1 << 10, 10 << 10} {
		w := newWorkload(b, size)
		for _, codec := range codecs {
			b.Run(fmt.Sprint(size, "/", codec), func(b *testing.B) {
				for b.Loop() {
					cells := []string{bytesOf(size), codec.String()}
					for _, signing := range []string{"", k.signing} {
						topic := fmt.Sprintf("size-%d", time.Now().UnixNano())
						stored := freshTopic(b, addr, topic, benchPartitions)
						cfg := w.settings(k, addr, topic, envelope.FormatEnvelope, codec)
						cfg.SigningKeyFile = signing
						w.sealed(b, cfg)
						part := float64(stored()) / float64(w.size*w.records)
						b.ReportMetric(part, "bytes/plaintext-signed="+fmt.Sprint(signing != ""))
						cells = append(cells, fmt.Sprintf("%.2f", part))
					}
					figures.add(cells...)
				}
			})
		}
	}
	figures.publish(b)
}

// BenchmarkPeak runs the built programs with records of each size and reports
// the most memory that they held.
func BenchmarkPeak(b *testing.B) {
	addr, k := benchKafka(b), newKeys(b)
	program, reader := build(b, "produce"), build(b, "consume")
	figures := newTable("peak", "Record", "Producer, peak MiB", "Consumer, peak MiB")
	for _, size := range recordSizes {
		w := newWorkload(b, size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				topic := fmt.Sprintf("peak-%d", time.Now().UnixNano())
				freshTopic(b, addr, topic, benchPartitions)
				producer, consumer := w.producerPeak(b, program, k, addr, topic), w.consumerPeak(b, reader, k, addr, topic)
				b.ReportMetric(producer, "MiB-producer")
				b.ReportMetric(consumer, "MiB-consumer")
				figures.add(bytesOf(size), fmt.Sprintf("%.0f", producer), fmt.Sprintf("%.0f", consumer))
			}
		})
	}
	figures.publish(b)
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
			most = max(most, peak(b, cmd.Process.Pid))
		}
	}
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
