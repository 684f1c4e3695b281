package bench_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// BenchmarkJunk floods one partition of a consumer that has the manifests' CPU, 200m, with records that look as if they
// could be opened. Everybody who may write to the topic and knows the public key can make them.
func BenchmarkJunk(b *testing.B) {
	harness.Require(b, harness.Engine, harness.KafkaImage)
	const rate, seconds = 400, 30
	figures := newTable("junk", "Junk", "`REQUIRE_SENDER`", fmt.Sprintf("Backlog after %d s of %d/s", seconds, rate), "At most, records/s")
	for _, kind := range []struct {
		name, unit string
		make       func(reader, sender string) []byte
	}{
		{"`rsa`, random", "rsa", func(string, string) []byte { return harness.RSAJunk() }},
		{"`envelope`, unsigned", "unsigned", func(reader, _ string) []byte { return harness.EnvelopeJunk(reader, "") }},
		{"`envelope`, forged signature of a trusted sender", "forged", harness.EnvelopeJunk},
	} {
		for _, require := range []string{"", "verified"} {
			b.Run(kind.unit+"/require="+require, func(b *testing.B) {
				for b.Loop() {
					f := startFlood(b, require)
					f.junk = func() []byte { return kind.make(f.reader, f.sender) }
					left, most := f.measure(b, rate, seconds)
					b.ReportMetric(float64(left), "left")
					b.ReportMetric(most, "records/s")
					figures.add(kind.name, orNone(require), thousands(float64(left)), thousands(most))
				}
			})
		}
	}
	figures.publish(b)
}

func orNone(setting string) string {
	if setting == "" {
		return "–"
	}
	return "`" + setting + "`"
}

// flood is a consumer in a container, and who floods it.
type flood struct {
	cluster        harness.Cluster
	pod            *harness.Pod
	reader, sender string // ids of the reader's key and of a trusted sender
	junk           func() []byte
	good           func(text string, partition int32) []byte
	sent           int
}

func startFlood(b *testing.B, requireSender string) *flood {
	b.Helper()
	k := harness.NewKeys(b)
	trusted, err := os.ReadFile(k.Trusted)
	if err != nil {
		b.Fatal(err)
	}
	senders, err := envelope.ParseTrustedSenders(trusted)
	if err != nil {
		b.Fatal(err)
	}
	c := harness.Broker(b, 1)
	f := &flood{
		cluster: c, reader: envelope.KeyID(&k.Private.PublicKey), sender: envelope.SigningKeyID(senders[0].Key),
		good: harness.NewSealer(b, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic),
		pod: harness.StartConfined(b, []string{"--cpus=0.2", "--memory=1g"}, "BROKERS="+strings.Join(c.ListenAddrs(), ","), "TOPIC="+harness.Topic,
			"CONSUMERGROUP=group", "SKR_URL="+k.Sidecar, "TRUSTED_SENDERS="+string(trusted), "REQUIRE_SENDER="+requireSender),
	}
	f.write(b, f.good("before", 0))
	f.pod.WaitStates(map[string]int{"decrypted": 1})
	return f
}

func (f *flood) write(b *testing.B, values ...[]byte) {
	b.Helper()
	messages := make([]*sarama.ProducerMessage, len(values))
	for i, value := range values {
		messages[i] = &sarama.ProducerMessage{Topic: harness.Topic, Value: sarama.ByteEncoder(value)}
	}
	harness.Send(b, f.cluster, messages)
	f.sent += len(values)
}

func (f *flood) some(n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		values[i] = f.junk()
	}
	return values
}

// measure returns how many records wait after a flood of so many a second, and how many a second the consumer gets
// through at most. If it keeps up, the genuine record behind them must be shown.
func (f *flood) measure(b *testing.B, rate, seconds int) (left int, most float64) {
	b.Helper()
	const each = 10 // floods a second
	ticks := time.NewTicker(time.Second / each)
	for range seconds * each {
		<-ticks.C
		f.write(b, f.some(rate/each)...)
	}
	ticks.Stop()
	left = f.sent - f.pod.RecordsRead()
	before, start := f.pod.RecordsRead(), time.Now()
	if left < rate {
		f.write(b, f.good("behind the junk", 0))
		f.pod.Wait("the record behind the junk is shown", func() bool {
			records := f.pod.Records()
			return len(records) > 0 && records[len(records)-1].Value == "behind the junk"
		})
		more := make([][][]byte, 40)
		for i := range more {
			more[i] = f.some(1000)
		}
		before, start = f.pod.RecordsRead(), time.Now()
		for _, values := range more {
			f.write(b, values...)
		}
	}
	for f.pod.RecordsRead() < f.sent && time.Since(start) < 20*time.Second {
		time.Sleep(20 * time.Millisecond)
	}
	return left, float64(f.pod.RecordsRead()-before) / time.Since(start).Seconds()
}
