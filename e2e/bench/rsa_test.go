package bench_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// perSecond runs work on every core and returns its rate.
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

// rsaMessage is how many bytes every key can hold in the format rsa; the smallest has 2048 bits.
const rsaMessage = 190

// BenchmarkKeySizes compares producer and consumer in the format rsa with the key's raw operations on all cores,
// measured before and after in the same run.
func BenchmarkKeySizes(b *testing.B) {
	addr := benchKafka(b)
	figures := newTable("key-sizes", "RSA key", "Raw encryptions/s", "Producer, `rsa`, records/s", "Ratio", "Raw decryptions/s", "Consumer, `rsa`, records/s", "Ratio", "Consumer, `envelope`, records/s")
	many := newWorkload(b, rsaMessage)
	some, few := many.first(b, 10_000), many.first(b, 2000)
	for _, bits := range []int{2048, 3072, 4096} {
		b.Run(fmt.Sprint(bits), func(b *testing.B) {
			k := harness.KeysOf(b, harness.NewKeyOf(b, bits))
			for b.Loop() {
				encrypts, produced := some.encrypting(b, addr, k)
				decrypts, consumed := few.decrypting(b, addr, k)
				envelopes := many.readBack(b, k, addr, envelope.FormatEnvelope)
				b.ReportMetric(encrypts.perSecond, "raw-encrypts/s")
				b.ReportMetric(produced.perSecond/encrypts.perSecond, "produced-ratio")
				b.ReportMetric(decrypts.perSecond, "raw-decrypts/s")
				b.ReportMetric(consumed.perSecond/decrypts.perSecond, "consumed-ratio")
				b.ReportMetric(envelopes.perSecond, "envelope/s")
				figures.add(fmt.Sprint(bits, " bits"),
					encrypts.records(), produced.records(), fmt.Sprintf("%.2f", produced.perSecond/encrypts.perSecond),
					decrypts.records(), consumed.records(), fmt.Sprintf("%.2f", consumed.perSecond/decrypts.perSecond), envelopes.records())
			}
		})
	}
	figures.publish(b)
}

// encrypting returns the rate at which all cores encrypt, and the producer's rate.
func (w workload) encrypting(b *testing.B, addr string, k harness.Keys) (raw, produced rate) {
	message := make([]byte, w.size)
	encrypt := func() {
		if _, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.Private.PublicKey, message, nil); err != nil {
			b.Error(err)
		}
	}
	topic := fmt.Sprintf("rsa-%d", time.Now().UnixNano())
	freshTopic(b, addr, topic, benchPartitions)
	before := perSecond(w.records, encrypt)
	produced = w.sealed(b, w.settings(k, addr, topic, envelope.FormatRSA, sarama.CompressionNone))
	return rate{perSecond: (before + perSecond(w.records, encrypt)) / 2}, produced
}

// decrypting returns the rate at which all cores decrypt, and the consumer's rate.
func (w workload) decrypting(b *testing.B, addr string, k harness.Keys) (raw, opened rate) {
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.Private.PublicKey, make([]byte, w.size), nil)
	if err != nil {
		b.Fatal(err)
	}
	decrypt := func() {
		if _, err := rsa.DecryptOAEP(sha256.New(), nil, k.Private, block, nil); err != nil {
			b.Error(err)
		}
	}
	before := perSecond(w.records, decrypt)
	opened = w.readBack(b, k, addr, envelope.FormatRSA)
	return rate{perSecond: (before + perSecond(w.records, decrypt)) / 2}, opened
}

// readBack produces the lines into a topic of their own, and consumes them.
func (w workload) readBack(b *testing.B, k harness.Keys, addr string, format envelope.Format) rate {
	topic := fmt.Sprintf("%s-%d", format, time.Now().UnixNano())
	freshTopic(b, addr, topic, benchPartitions)
	w.sealed(b, w.settings(k, addr, topic, format, sarama.CompressionNone))
	return consumed(b, addr, topic, k.Sidecar, k.Trusted, "decrypted", w.records)
}

// BenchmarkConsumers compares the consumer with two simple programs: one with sarama that only reads, and one that
// decrypts RSA in one goroutine. The messages have 190 bytes, which every format can hold.
func BenchmarkConsumers(b *testing.B) {
	addr, k := benchKafka(b), harness.NewKeys(b)
	many := newWorkload(b, rsaMessage)
	few := many.first(b, 2000)
	plain, encrypted := fmt.Sprintf("plain-%d", time.Now().UnixNano()), fmt.Sprintf("rsa-%d", time.Now().UnixNano())
	freshTopic(b, addr, plain, benchPartitions)
	freshTopic(b, addr, encrypted, benchPartitions)
	many.plain(b, addr, plain, sarama.CompressionNone)
	few.sealed(b, few.settings(k, addr, encrypted, envelope.FormatRSA, sarama.CompressionNone))
	decrypt := func(value []byte) error {
		block, err := base64.StdEncoding.DecodeString(string(value))
		if err != nil {
			return err
		}
		_, err = rsa.DecryptOAEP(sha256.New(), nil, k.Private, block, nil)
		return err
	}
	for b.Loop() {
		only := many.onlySarama(b, addr, plain, func([]byte) error { return nil })
		figures := newTable("consumers", "Consumer", "Records/s", "of the first", "CPU s a million")
		row := func(name, unit string, r rate) rate {
			b.ReportMetric(r.perSecond, unit)
			figures.add(name, r.records(), fmt.Sprintf("%.3f", r.perSecond/only.perSecond), r.cpu())
			return r
		}
		row("sarama alone, plaintext, not shown", "sarama/s", only)
		row("this one, plaintext", "plain/s", consumed(b, addr, plain, k.Sidecar, k.Trusted, "plain", many.records))
		fast := row("this one, `envelope`, senders verified", "envelope/s", many.readBack(b, k, addr, envelope.FormatEnvelope))
		row("this one, `jwe`, senders verified", "jwe/s", many.readBack(b, k, addr, envelope.FormatJWE))
		row("sarama and RSA on one goroutine, not shown", "one-goroutine/s", few.onlySarama(b, addr, encrypted, decrypt))
		slow := row("this one, `rsa`", "rsa/s", consumed(b, addr, encrypted, k.Sidecar, k.Trusted, "decrypted", few.records))
		b.ReportMetric(fast.perSecond/slow.perSecond, "envelope/rsa")
		figures.publish(b)
	}
}

// onlySarama reads the topic with sarama's default settings, one record at a time.
func (w workload) onlySarama(b *testing.B, addr, topic string, open func([]byte) error) rate {
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	c, err := sarama.NewConsumer([]string{addr}, conf)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var (
		one   sync.Mutex
		watch stopwatch // from the first record on, as the consumer is measured
		left  = w.records
		all   = make(chan struct{})
	)
	for partition := range int32(benchPartitions) {
		p, err := c.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			b.Fatal(err)
		}
		defer p.AsyncClose()
		go func() {
			for m := range p.Messages() {
				one.Lock()
				if left == w.records {
					watch = startWatch()
				}
				if err := open(m.Value); err != nil {
					b.Errorf("a record does not open: %v", err)
				}
				if left--; left == 0 {
					close(all)
				}
				one.Unlock()
			}
		}()
	}
	<-all
	return watch.stop(w.records)
}
