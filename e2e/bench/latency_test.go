package bench_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const (
	latencyRate    = 2000 // records/s
	latencyRecords = 20_000
)

// BenchmarkLatency compares how long records of 1 KiB take from the producer's input to a reader of Kafka, at a fixed
// rate: sealed ones and plain ones. Both are read by the same client, which decrypts nothing, so the difference is the
// producer's.
func BenchmarkLatency(b *testing.B) {
	broker, k := benchBroker(b), harness.NewKeys(b)
	figures := newTable("latency", "Records", "p50, ms (least–most)", "p99, ms (least–most)", "p99 ÷ plaintext")
	w := workload{size: 1 << 10}
	delays := make(map[string][2][]float64) // p50 and p99 of each round, in ms
	measure := func(name string, send func(topic string, lines io.Reader)) candidate {
		return candidate{name, func() rate {
			topic := fmt.Sprintf("latency-%d", time.Now().UnixNano())
			freshTopic(b, broker.addr, topic, 1) // so that offsets are in the order of the lines
			p50, p99 := arrivals(b, broker.addr, topic, w.size, send)
			d := delays[name]
			delays[name] = [2][]float64{append(d[0], p50), append(d[1], p99)}
			return rate{}
		}}
	}
	candidates := []candidate{
		measure("plaintext", func(topic string, lines io.Reader) { plainPaced(b, broker.addr, topic, w.size, lines) }),
		measure("`envelope`, signed", func(topic string, lines io.Reader) {
			cfg := w.settings(k, broker.addr, topic, envelope.FormatEnvelope, sarama.CompressionNone)
			if _, err := producer.Run(context.Background(), cfg, producer.Build{}, lines, slog.New(slog.DiscardHandler)); err != nil {
				b.Error(err)
			}
		}),
	}
	for b.Loop() {
		clear(delays)
		alternate(b, candidates...)
		median := func(values []float64) (middle float64, all string) {
			values = values[1:] // the first round warms up
			slices.Sort(values)
			middle = values[len(values)/2]
			return middle, fmt.Sprintf("%.1f (%.1f–%.1f)", middle, values[0], values[len(values)-1])
		}
		plain := 0.0
		for _, c := range candidates {
			_, p50 := median(delays[c.name][0])
			p99, ofAll := median(delays[c.name][1])
			if plain == 0 {
				plain = p99
			}
			b.ReportMetric(p99/plain, "p99-of-plain-"+strings.Trim(strings.Fields(c.name)[0], "`,"))
			figures.add(c.name, p50, ofAll, fmt.Sprintf("%.2f", p99/plain))
		}
	}
	figures.publish(b)
}

// arrivals sends lines at latencyRate, and returns how many milliseconds half and 99 % of them took to arrive.
func arrivals(b *testing.B, addr, topic string, size int, send func(topic string, lines io.Reader)) (p50, p99 float64) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	sent, lines := make([]time.Time, latencyRecords), &pacedLines{line: make([]byte, size+1)}
	lines.sent = sent
	done := make(chan struct{})
	go func() {
		defer close(done)
		send(topic, lines)
	}()
	took := make([]float64, 0, latencyRecords)
	for len(took) < latencyRecords {
		fetches := client.PollFetches(b.Context())
		now := time.Now()
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			took = append(took, float64(now.Sub(sent[r.Offset]).Microseconds())/1e3)
		})
	}
	<-done
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// pacedLines is a reader that returns one line at a time, at latencyRate.
type pacedLines struct {
	line  []byte
	sent  []time.Time
	n     int
	begun time.Time
}

func (p *pacedLines) Read(into []byte) (int, error) {
	if p.n == len(p.sent) {
		return 0, io.EOF
	}
	if p.begun.IsZero() {
		p.begun = time.Now()
		for i := range p.line { // bytes that are no newline
			p.line[i] = byte(rand.IntN(256)) | 0x80
		}
	}
	due := p.begun.Add(time.Duration(p.n) * time.Second / latencyRate)
	time.Sleep(time.Until(due))
	binary.BigEndian.PutUint32(p.line, uint32(p.n)|0x80808080)
	p.line[len(p.line)-1] = '\n'
	p.sent[p.n] = due
	p.n++
	return copy(into, p.line), nil
}

// plainPaced sends lines with the producer's client settings.
func plainPaced(b *testing.B, addr, topic string, size int, lines io.Reader) {
	c, err := kafkaconf.Settings{Brokers: []string{addr}}.Sarama("plain")
	if err != nil {
		b.Error(err)
		return
	}
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	p, err := sarama.NewAsyncProducer([]string{addr}, c)
	if err != nil {
		b.Error(err)
		return
	}
	go func() {
		for err := range p.Errors() {
			b.Error(err)
		}
	}()
	for {
		line := make([]byte, size+1)
		if _, err := io.ReadFull(lines, line); err != nil {
			break
		}
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(line[:size])}
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}
