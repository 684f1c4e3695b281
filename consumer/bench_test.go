package consumer

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

// newReader makes a reader as Run does, without Kafka.
func newReader(t testing.TB) *reader {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	m := newMetrics(Build{}, "t")
	r := &reader{cfg: Config{Topic: "t", WebHistory: 1000}, feed: web.NewFeed(1000), metrics: m, log: log}
	r.opening.Store(newOpening(envelope.NewOpener(envelope.OpenerConfig{}), m.decrypt, newStandIn()))
	r.keys = &keys{log: log, arrived: r.useKeys}
	return r
}

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSealer(t testing.TB, key *rsa.PrivateKey, format envelope.Format) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *envelope.Sealer, text string, partition int32) []byte {
	t.Helper()
	value, err := s.Seal(nil, []byte(text), partition)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// BenchmarkShow is a record's way from the fetch to the feed, without Kafka.
func BenchmarkShow(b *testing.B) {
	key := newKey(b)
	text := string(bytes.Repeat([]byte("a line of 16 byt"), 64))
	for name, value := range map[string]func(*envelope.Sealer) []byte{
		"plain":    func(*envelope.Sealer) []byte { return []byte(text) },
		"envelope": func(s *envelope.Sealer) []byte { return seal(b, s, text, 0) },
	} {
		for _, size := range []int{64, 256, 1024} {
			b.Run(fmt.Sprint(name, "/", size), func(b *testing.B) {
				r, s := newReader(b), newSealer(b, key, envelope.FormatEnvelope)
				if err := r.useKeys([]*rsa.PrivateKey{key}); err != nil {
					b.Fatal(err)
				}
				// Each is sealed once, since a record that comes again is more work; after a round the counters are forgotten.
				round := make([][]*sarama.ConsumerMessage, 32<<10/size)
				for i := range round {
					for range size {
						round[i] = append(round[i], &sarama.ConsumerMessage{Topic: "t", Value: value(s), Timestamp: time.Now()})
					}
				}
				w, offset, records := work{}, int64(0), 0
				before := cpu(b)
				b.ReportAllocs()
				for b.Loop() {
					if records%(32<<10) == 0 {
						r.partitions = partitions{}
					}
					batch := round[records/size%len(round)]
					for _, m := range batch {
						m.Offset = offset
						offset++
					}
					r.show(&w, batch)
					records += size
				}
				b.ReportMetric(float64(cpu(b)-before)/float64(offset), "cpu-ns/record")
			})
		}
	}
}

// cpu is the processor time of this process, in nanoseconds: others on the machine do not change it.
func cpu(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
