package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const benchPartitions = 3

// workload is a file of lines of one size.
type workload struct {
	size, records int
	file          string
}

// newWorkload writes 300,000 lines, or 300 MiB of larger ones: a second of work, so that the start counts for little.
func newWorkload(b *testing.B, size int) workload {
	w := workload{size: size, records: min(300_000, 300<<20/size), file: filepath.Join(b.TempDir(), "lines")}
	f, err := os.Create(w.file)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	// Random bytes, so that compression gains nothing, neither in plain lines nor in sealed ones.
	line := make([]byte, size+1)
	chance := rand.NewChaCha8([32]byte{1})
	for n := range w.records {
		if _, err := chance.Read(line); err != nil {
			b.Fatal(err)
		}
		for i := bytes.IndexByte(line, '\n'); i >= 0; i = bytes.IndexByte(line, '\n') {
			line[i] = byte(n)
			if line[i] == '\n' {
				line[i] = 0
			}
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

// first returns the first lines of the workload.
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

func (w workload) settings(k harness.Keys, addr, topic string, format envelope.Format, codec sarama.CompressionCodec) producer.Config {
	cfg := producer.Config{
		Settings: kafkaconf.Settings{Brokers: []string{addr}}, Topic: topic, Format: format, PublicKey: k.Public,
		SigningKeyFile: k.Signing, Batching: kafkaconf.Batching{Compression: codec.String()},
		Headers: harness.ProgramHeaders,
	}
	if format == envelope.FormatRSA {
		cfg.SigningKeyFile = "" // the format has no signature
	}
	return cfg
}

// sealed sends the lines with the producer.
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

// consumed returns how many records a second the consumer reads, from its first record on, if it verifies senders.
func consumed(b *testing.B, addr, topic, sidecar, trusted, state string, records int) rate {
	b.Helper()
	return consumedWith(b, addr, topic, sidecar, state, records, func(cfg *consumer.Config) { cfg.TrustedSendersFile = trusted })
}

// consumedWith returns the same for a consumer with other settings.
func consumedWith(b *testing.B, addr, topic, sidecar, state string, records int, set func(*consumer.Config)) rate {
	b.Helper()
	cfg := harness.Settings(b, []string{addr}, sidecar)
	cfg.Topic, cfg.Group = topic, fmt.Sprint(topic, "-", time.Now().UnixNano())
	set(&cfg)
	p := harness.Consume(b, cfg)
	defer p.Stop()
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	r := fromFirst(records, func() int { return p.RecordsRead() })
	if !strings.Contains(string(p.Get(p.Metrics+"/metrics")), fmt.Sprintf("e2ee_consumer_records_total{state=%q,topic=%q} %v", state, topic, float64(records))) {
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

// rate is records a second, and the CPU time for each: this process's, and the broker's (0 if unknown). Other work on the
// machine disturbs the first more than the others.
type rate struct{ perSecond, cpuMicros, broker float64 }

func (r rate) records() string {
	return thousands(r.perSecond)
}

func (r rate) cpu() string { return cpuSeconds(r.cpuMicros) }

// cpuSeconds returns CPU seconds for a million records: as many as microseconds for one.
func cpuSeconds(micros float64) string {
	if micros < 10 {
		return fmt.Sprintf("%.1f", micros)
	}
	return fmt.Sprintf("%.0f", micros)
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

// thousands prints a number with commas.
func thousands(n float64) string { return message.NewPrinter(language.English).Sprintf("%.0f", n) }
