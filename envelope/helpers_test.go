package envelope_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"runtime"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// Keys are made once, and only if a test needs them.
var (
	key2048 = sync.OnceValue(func() *rsa.PrivateKey { return newKey(2048) })
	key3072 = sync.OnceValue(func() *rsa.PrivateKey { return newKey(3072) })
	key4096 = sync.OnceValue(func() *rsa.PrivateKey { return newKey(4096) })
)

func newKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// strangers returns keys that can only be sealed for, because making real ones takes long.
func strangers(n, bits int) []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, n)
	for i := range keys {
		modulus := make([]byte, bits/8)
		rand.Read(modulus)
		modulus[0], modulus[len(modulus)-1] = modulus[0]|0x80, modulus[len(modulus)-1]|1
		keys[i] = &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}}
	}
	return keys
}

func newSealer(t testing.TB, key *rsa.PrivateKey) *envelope.Sealer {
	t.Helper()
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatRSA, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func seal(t testing.TB, key *rsa.PrivateKey, message string) []byte {
	t.Helper()
	value, err := newSealer(t, key).Seal(nil, []byte(message), 0)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func newOpener(t testing.TB, keys ...*rsa.PrivateKey) *envelope.Opener {
	t.Helper()
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(keys...); err != nil {
		t.Fatal(err)
	}
	return opener
}

// testSealer configures a sealer. The zero value seals records of the format envelope
// for key2048 and the topic "t".
type testSealer struct {
	format  envelope.Format
	topic   string
	readers []*rsa.PrivateKey
	signing ed25519.PrivateKey
	limits  envelope.Limits
	headers envelope.HeaderPolicy
}

func (m testSealer) sealer(t testing.TB) *envelope.Sealer {
	t.Helper()
	cfg := envelope.SealerConfig{Format: m.format, Topic: m.topic, SigningKey: m.signing, Limits: m.limits, Headers: m.headers}
	if m.format == "" {
		cfg.Format = envelope.FormatEnvelope
	}
	if m.topic == "" {
		cfg.Topic = "t"
	}
	if m.readers == nil {
		m.readers = []*rsa.PrivateKey{key2048()}
	}
	for _, reader := range m.readers {
		cfg.Readers = append(cfg.Readers, &reader.PublicKey)
	}
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func (m testSealer) seal(t testing.TB, message string, partition int32) []byte {
	t.Helper()
	return mustSeal(t, m.sealer(t), message, partition)
}

func mustSeal(t testing.TB, sealer *envelope.Sealer, message string, partition int32) []byte {
	t.Helper()
	value, err := sealer.Seal(nil, []byte(message), partition)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func signingKey(seed byte) ed25519.PrivateKey {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return ed25519.NewKeyFromSeed(raw)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}

var nativeFormats = []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE}

// everySerialization returns a record of every format and serialization, for key2048 and
// the topic "t".
func everySerialization(t testing.TB) map[string][]byte {
	t.Helper()
	two := testSealer{readers: []*rsa.PrivateKey{key3072(), key2048()}, signing: signingKey(1)}.seal(t, "hello", 3)
	json, err := envelope.Convert(two)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"rsa":      seal(t, key2048(), "hello"),
		"envelope": testSealer{signing: signingKey(1)}.seal(t, "hello", 3),
		"two":      two,
		"jwe":      testSealer{format: envelope.FormatJWE, signing: signingKey(1)}.seal(t, "hello", 3),
		"json":     json,
	}
}

// heap returns the heap in use after a garbage collection, in bytes.
func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// within fails the test if the work waits for something. No machine needs a minute.
func within(t *testing.T, what string, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Errorf("%s: waited for a private-key operation", what)
	}
}
