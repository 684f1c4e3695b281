package e2e_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"slices"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// BenchmarkEnvelope compares sealing and opening with AES-256-GCM alone on the
// same bytes, with buffers that are there already. The two take turns in short
// rounds, and the median of the rounds' ratios counts: so a busy machine slows
// both.
func BenchmarkEnvelope(b *testing.B) {
	key := newKey(b)
	figures := newTable("cipher", "Format", "Record", "Seal ÷ AES-256-GCM", "Open ÷ AES-256-GCM", "Bytes ÷ message")
	for _, format := range []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE} {
		for _, size := range recordSizes {
			for who, signing := range map[string]ed25519.PrivateKey{"unsigned": nil, "signed": ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))} {
				b.Run(fmt.Sprintf("%s/%dB/%s", format, size, who), func(b *testing.B) {
					cfg := envelope.SealerConfig{Format: format, Topic: topic, Readers: []*rsa.PublicKey{&key.PublicKey}, SigningKey: signing}
					for b.Loop() {
						cells := compareWithGCM(b, key, cfg, size)
						if signing != nil {
							figures.add(cells...)
						}
					}
				})
			}
		}
	}
	figures.publish(b)
}

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
	value, err := sealer.Seal(nil, message, 3)
	if err != nil {
		b.Fatal(err)
	}
	sealed := aead.Seal(nil, nonce, message, nil)
	room := make([]byte, 0, 2*len(value))
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	sealing := medianRatio(size,
		func() { _, err := sealer.Seal(room, message, 3); check(err) },
		func() { aead.Seal(room, nonce, message, nil) })
	opening := medianRatio(size,
		func() { _, err := opener.Open(room, topic, value); check(err) },
		func() { _, err := aead.Open(room, nonce, sealed, nil); check(err) })
	part := float64(len(value)) / float64(size)
	b.ReportMetric(sealing, "seal/gcm")
	b.ReportMetric(opening, "open/gcm")
	b.ReportMetric(testing.AllocsPerRun(100, func() { _, err := sealer.Seal(nil, message, 3); check(err) }), "seal-allocs")
	b.ReportMetric(testing.AllocsPerRun(100, func() { _, err := opener.Open(nil, topic, value); check(err) }), "open-allocs")
	b.ReportMetric(part, "bytes/plain")
	return []string{"`" + string(cfg.Format) + "`", bytesOf(size), fmt.Sprintf("%.2f", sealing), fmt.Sprintf("%.2f", opening), fmt.Sprintf("%.2f", part)}
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

// medianRatio is how many times as long the first takes as the second.
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
