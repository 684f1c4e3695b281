package bench_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// BenchmarkThroughput compares producer and consumer in the format envelope with plaintext, in one run: the producer
// with a program that only sends, the consumer with itself.
func BenchmarkThroughput(b *testing.B) {
	broker, k := benchBroker(b), harness.NewKeys(b)
	columns := []string{"Record", "Compression", "Plaintext, records/s", "Same length, records/s", "`envelope`, records/s", "÷ plaintext", "÷ limit", "÷ same length", "Plaintext, CPU s a million", "`envelope`, CPU s a million", "Kafka, plaintext, CPU s a million", "Kafka, `envelope`, CPU s a million", "Kafka, CPU ÷ plaintext"}
	produced, consumed := newTable("produced", columns...), newTable("consumed", columns...)
	var labels []string
	series := make([][]float64, 4)
	for _, size := range recordSizes {
		for _, codec := range codecs {
			b.Run(fmt.Sprint(size, "/", codec), func(b *testing.B) {
				w := newWorkload(b, size)
				for b.Loop() {
					c := throughput{workload: w, broker: broker, keys: k, codec: codec}
					c.measure(b)
					produced.add(c.cells(b, "produced", c.produced)...)
					consumed.add(c.cells(b, "consumed", c.consumed)...)
					if codec != sarama.CompressionNone {
						continue
					}
					labels = append(labels, bytesOf(size))
					for i, r := range []rates{c.produced[plainLines], c.produced[sealedLines], c.consumed[plainLines], c.consumed[sealedLines]} {
						series[i] = append(series[i], float64(int(r.median().perSecond*float64(size)/1e6)))
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
	codecs      = []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionLZ4, sarama.CompressionSnappy, sarama.CompressionZSTD}
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

// The candidates of a comparison. The difference between plain lines and those as long as sealed records is due to the
// bytes, the rest to the cipher.
const (
	plainLines  = "plain"
	longLines   = "as-long"
	sealedLines = "sealed"
)

// throughput compares plain and sealed records of one size and codec.
type throughput struct {
	workload
	broker kafka
	keys   harness.Keys
	codec  sarama.CompressionCodec

	produced, consumed map[string]rates
}

func (c *throughput) measure(b *testing.B) {
	topics, sizes := make(map[string]string), make(map[string]func() int64)
	records := map[string]int{plainLines: c.records, sealedLines: c.records}
	produce := func(name string, send func(topic string) rate) candidate {
		return candidate{name, func() rate {
			topics[name] = fmt.Sprintf("%s-%d-%s-%d", name, c.size, c.codec, time.Now().UnixNano())
			sizes[name] = freshTopic(b, c.broker.addr, topics[name], benchPartitions)
			return c.broker.watch(b, records[name], func() rate { return send(topics[name]) })
		}}
	}
	consume := func(name, state string) candidate {
		return candidate{name, func() rate {
			return c.broker.watch(b, records[name], func() rate {
				return consumed(b, c.broker.addr, topics[name], c.keys.Sidecar, c.keys.Trusted, state, records[name])
			})
		}}
	}
	seal := func(topic string) rate {
		return c.sealed(b, c.settings(c.keys, c.broker.addr, topic, envelope.FormatEnvelope, c.codec))
	}
	send := func(topic string) rate { return c.plain(b, c.broker.addr, topic, c.codec) }
	producers := []candidate{produce(plainLines, send), produce(sealedLines, seal)}
	consumers := []candidate{consume(plainLines, "plain"), consume(sealedLines, "decrypted")}
	if c.codec == sarama.CompressionNone { // compressed, lines of that length would not be as long
		producers[0].measure()
		producers[1].measure()
		long := newWorkload(b, c.size+int(sizes[sealedLines]()-sizes[plainLines]())/c.records)
		records[longLines] = long.records
		producers = append(producers, produce(longLines, func(topic string) rate { return long.plain(b, c.broker.addr, topic, c.codec) }))
		consumers = append(consumers, consume(longLines, "plain"))
	}
	c.produced = alternate(b, producers...)
	for _, name := range []string{plainLines, sealedLines} {
		b.ReportMetric(float64(sizes[name]())/float64(c.size*c.records), name+"-bytes/message")
	}
	c.consumed = alternate(b, consumers...)
}

// cells returns the row of a table, and reports its figures.
func (c *throughput) cells(b *testing.B, what string, by map[string]rates) []string {
	b.Helper()
	plain, sealed := by[plainLines].median(), by[sealedLines].median()
	ratio, limited := sealed.perSecond/plain.perSecond, sealed.perSecond/c.limit(b, plain)
	long, ofLong := "–", "–"
	if all := by[longLines]; all != nil {
		long, ofLong = all.records(), fmt.Sprintf("%.2f", sealed.perSecond/all.median().perSecond)
		b.ReportMetric(sealed.perSecond/all.median().perSecond, what+"-of-same-length")
	}
	plainBroker, sealedBroker, onBroker := "–", "–", "–"
	if plain.broker > 0 {
		plainBroker, sealedBroker, onBroker = cpuSeconds(plain.broker), cpuSeconds(sealed.broker), fmt.Sprintf("%.2f", sealed.broker/plain.broker)
		b.ReportMetric(sealed.broker/plain.broker, what+"-broker-cpu-ratio")
	}
	b.ReportMetric(plain.perSecond, what+"-plain/s")
	b.ReportMetric(sealed.perSecond, what+"-sealed/s")
	b.ReportMetric(ratio, what+"-ratio")
	b.ReportMetric(limited, what+"-of-limit")
	b.ReportMetric(plain.cpuMicros, what+"-plain-cpu-µs")
	b.ReportMetric(sealed.cpuMicros, what+"-sealed-cpu-µs")
	return []string{
		bytesOf(c.size), c.codec.String(), by[plainLines].records(), long, by[sealedLines].records(),
		fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", limited), ofLong, plain.cpu(), sealed.cpu(), plainBroker, sealedBroker, onBroker,
	}
}

// limit returns the rate that the cipher alone leaves of a plain one: with the time of AES-256-GCM on the same bytes
// added to the CPU time of each record.
func (c *throughput) limit(b *testing.B, plain rate) float64 {
	b.Helper()
	aead, nonce, message := plainGCM(b), make([]byte, 12), make([]byte, c.size)
	buffer := make([]byte, 0, c.size+aead.Overhead())
	var runs rates
	for range measuredRounds {
		start, times := time.Now(), max(10, 16<<20/c.size)
		for range times {
			aead.Seal(buffer, nonce, message, nil)
		}
		runs = append(runs, rate{cpuMicros: float64(time.Since(start).Nanoseconds()) / 1e3 / float64(times)})
	}
	return plain.perSecond / (1 + runs.median().cpuMicros/plain.cpuMicros)
}

// BenchmarkTopicSize compares the bytes in the topic with those of the messages, for text that does not compress.
func BenchmarkTopicSize(b *testing.B) {
	addr, k := benchKafka(b), harness.NewKeys(b)
	figures := newTable("topic-size", "Record", "Compression", "Unsigned", "Signed")
	for _, size := range []int{100, 1 << 10, 10 << 10} {
		w := newWorkload(b, size)
		for _, codec := range codecs {
			b.Run(fmt.Sprint(size, "/", codec), func(b *testing.B) {
				for b.Loop() {
					cells := []string{bytesOf(size), codec.String()}
					for _, signing := range []string{"", k.Signing} {
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

// BenchmarkPeak runs the built programs with records of each size and reports their peak memory.
func BenchmarkPeak(b *testing.B) {
	addr, k := benchKafka(b), harness.NewKeys(b)
	program, reader := harness.Build(b, "produce"), harness.Build(b, "consume")
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

func (w workload) producerPeak(b *testing.B, program string, k harness.Keys, addr, topic string) float64 {
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(program, "-stdin")
	cmd.Stdin = f
	cmd.Env = append(os.Environ(), "BROKERS="+addr, "TOPIC="+topic, "FORMAT=envelope", "PUBKEY="+k.Public, "SIGNING_KEY_FILE="+k.Signing, "METRICS_ADDR=")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	// Read while it runs: the kernel's figure after its end includes this process's.
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
			most = max(most, harness.PeakMemory(b, cmd.Process.Pid))
		}
	}
}

func (w workload) consumerPeak(b *testing.B, program string, k harness.Keys, addr, topic string) float64 {
	page, metrics := harness.FreeAddr(b), harness.FreeAddr(b)
	p := &harness.Pod{T: b, Page: "http://" + page, Metrics: "http://" + metrics, Log: new(harness.LogBuffer)}
	cmd := exec.Command(program)
	cmd.Stderr = p.Log
	cmd.Env = append(os.Environ(), "BROKERS="+addr, "TOPIC="+topic, "WEB_ADDR="+page, "METRICS_ADDR="+metrics, "TRUSTED_SENDERS_FILE="+k.Trusted,
		"SkrClientKID="+harness.KeyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL="+k.Sidecar)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.Wait("all records are read", func() bool { return p.RecordsRead() >= w.records })
	most := float64(harness.PeakMemory(b, cmd.Process.Pid)) / 1024
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		b.Errorf("the consumer ended with: %v", err)
	}
	return most
}
