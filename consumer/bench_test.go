package consumer

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// BenchmarkProcess measures a record's way from the fetch to the feed, without Kafka.
func BenchmarkProcess(b *testing.B) {
	key := newKey(b)
	text := string(bytes.Repeat([]byte("a line of 16 byt"), 64))
	for name, value := range map[string]func(*envelope.Sealer) []byte{
		"plain":    func(*envelope.Sealer) []byte { return []byte(text) },
		"envelope": func(s *envelope.Sealer) []byte { return seal(b, s, text, 0) },
	} {
		for _, size := range []int{64, 256, 1024} {
			b.Run(fmt.Sprint(name, "/", size), func(b *testing.B) {
				p, s := newPipeline(b), newSealer(b, key, envelope.FormatEnvelope)
				useKeys(b, p, key)
				// Each record is sealed once, because a repeated one is more work. The counters are forgotten after each round.
				round := make([][]*sarama.ConsumerMessage, 32<<10/size)
				for i := range round {
					for range size {
						round[i] = append(round[i], &sarama.ConsumerMessage{Topic: "t", Value: value(s), Timestamp: time.Now()})
					}
				}
				buffers, offset, records := batchBuffers{}, int64(0), 0
				before := cpu(b)
				b.ReportAllocs()
				for b.Loop() {
					if records%(32<<10) == 0 {
						p.sequences = sequences{}
					}
					batch := round[records/size%len(round)]
					for _, m := range batch {
						m.Offset = offset
						offset++
					}
					p.process(&buffers, batch)
					records += size
				}
				b.ReportMetric(float64(cpu(b)-before)/float64(offset), "cpu-ns/record")
			})
		}
	}
}

// cpu returns the CPU time of this process in nanoseconds. Unlike the wall time it ignores other processes.
func cpu(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
