package bench_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// BenchmarkEnvelope compares sealing and opening with AES-256-GCM alone on the same bytes and in reused buffers. The
// two alternate in short rounds, and the median of the rounds' ratios counts, so that a busy machine slows both.
func BenchmarkEnvelope(b *testing.B) {
	key := harness.NewKey(b)
	signing := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	figures := newTable("cipher", "Format", "Record", "Seal ÷ AES-256-GCM", "Open ÷ AES-256-GCM", "Bytes ÷ message")
	for _, c := range []struct {
		name    string
		format  envelope.Format
		readers int
		every   int // one full record in so many
		signing ed25519.PrivateKey
	}{
		{"`envelope`, unsigned", envelope.FormatEnvelope, 1, 1, nil},
		{"`envelope`", envelope.FormatEnvelope, 1, 1, signing},
		{"`envelope`, lean", envelope.FormatEnvelope, 1, 64, signing},
		{"`envelope`, 16 readers", envelope.FormatEnvelope, 16, 1, signing},
		{"`envelope`, lean, 16 readers", envelope.FormatEnvelope, 16, 64, signing},
		{"`jwe`", envelope.FormatJWE, 1, 1, signing},
	} {
		for _, size := range recordSizes {
			b.Run(fmt.Sprintf("%s/%dB", c.name, size), func(b *testing.B) {
				cfg := envelope.SealerConfig{
					Format: c.format, Topic: harness.Topic, Readers: append(strangers(c.readers-1), &key.PublicKey),
					SigningKey: c.signing, Headers: envelope.HeaderPolicy{Records: c.every},
				}
				for b.Loop() {
					figures.add(append([]string{c.name, bytesOf(size)}, compareWithGCM(b, key, cfg, size)...)...)
				}
			})
		}
	}
	figures.publish(b)
}

// strangers returns public keys to seal for, as long as the others. Nobody has private ones.
func strangers(n int) []*rsa.PublicKey {
	keys := make([]*rsa.PublicKey, n)
	for i := range keys {
		modulus := make([]byte, 384)
		rand.Read(modulus)
		modulus[0], modulus[383] = modulus[0]|0x80, modulus[383]|1
		keys[i] = &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	}
	return keys
}

// compareWithGCM opens 64 records in turn, the first of which is full. The bytes are those of many more.
func compareWithGCM(b *testing.B, key *rsa.PrivateKey, cfg envelope.SealerConfig, size int) []string {
	b.Helper()
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		b.Fatal(err)
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(key); err != nil {
		b.Fatal(err)
	}
	message, nonce, aead := make([]byte, size), make([]byte, 12), plainGCM(b)
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	values := make([][]byte, 64)
	for i := range values {
		values[i], err = sealer.Seal(nil, message, 3)
		check(err)
	}
	sealed := aead.Seal(nil, nonce, message, nil)
	buffer := make([]byte, 0, 2*sealer.Size(size))
	bytes, records := 0, max(64, 4<<20/size)
	for range records {
		value, err := sealer.Seal(buffer, message, 4)
		check(err)
		bytes += len(value)
	}
	next := -1
	value := func() []byte { next = (next + 1) % len(values); return values[next] }
	sealing := medianRatio(size,
		func() { _, err := sealer.Seal(buffer, message, 3); check(err) },
		func() { aead.Seal(buffer, nonce, message, nil) })
	opening := medianRatio(size,
		func() { _, err := opener.Open(buffer, harness.Topic, value()); check(err) },
		func() { _, err := aead.Open(buffer, nonce, sealed, nil); check(err) })
	part := float64(bytes) / float64(records*size)
	b.ReportMetric(sealing, "seal/gcm")
	b.ReportMetric(opening, "open/gcm")
	b.ReportMetric(testing.AllocsPerRun(100, func() { _, err := sealer.Seal(nil, message, 3); check(err) }), "seal-allocs")
	b.ReportMetric(testing.AllocsPerRun(100, func() { _, err := opener.Open(nil, harness.Topic, value()); check(err) }), "open-allocs")
	b.ReportMetric(part, "bytes/plain")
	return []string{fmt.Sprintf("%.2f", sealing), fmt.Sprintf("%.2f", opening), fmt.Sprintf("%.2f", part)}
}

func plainGCM(b *testing.B) cipher.AEAD {
	b.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	return aead
}

// medianRatio returns how many times as long the first takes as the second.
func medianRatio(size int, first, second func()) float64 {
	const rounds = 41
	times := max(3, min(1000, 4<<20/size))
	spent := func(work func()) float64 {
		start := time.Now()
		for range times {
			work()
		}
		return time.Since(start).Seconds()
	}
	spent(first)
	spent(second)
	ratios := make([]float64, rounds)
	for i := range ratios {
		ratios[i] = spent(first) / spent(second)
	}
	slices.Sort(ratios)
	return ratios[rounds/2]
}
