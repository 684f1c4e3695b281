package envelope_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// Without this, a writer with unsafe settings would start.
func TestNewSealerRefusesSettings(t *testing.T) {
	pub := &key2048().PublicKey
	many := make([]*rsa.PublicKey, 17)
	for i := range many {
		many[i] = pub
	}
	good := envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{pub}}
	for says, change := range map[string]func(*envelope.SealerConfig){
		"0 public keys":              func(c *envelope.SealerConfig) { c.Readers = nil },
		"17 public keys":             func(c *envelope.SealerConfig) { c.Readers = many },
		"2 public keys, format jwe":  func(c *envelope.SealerConfig) { c.Format, c.Readers = envelope.FormatJWE, many[:2] },
		"duplicate":                  func(c *envelope.SealerConfig) { c.Readers = many[:2] },
		"is nil":                     func(c *envelope.SealerConfig) { c.Readers = []*rsa.PublicKey{nil} },
		"topic name of 0 bytes":      func(c *envelope.SealerConfig) { c.Topic = "" },
		"topic name of 250 bytes":    func(c *envelope.SealerConfig) { c.Topic = strings.Repeat("x", 250) },
		"has a character":            func(c *envelope.SealerConfig) { c.Topic = `t"` },
		"signing key of 3 bytes":     func(c *envelope.SealerConfig) { c.SigningKey = []byte("abc") },
		"4294967297 records":         func(c *envelope.SealerConfig) { c.Limits.Records = 1<<32 + 1 },
		"limit of 16777215 bytes":    func(c *envelope.SealerConfig) { c.Limits.Bytes = envelope.MaxMessage - 1 },
		"limit of 1099511627777 byt": func(c *envelope.SealerConfig) { c.Limits.Bytes = 1<<40 + 1 },
		"limit of -1ns":              func(c *envelope.SealerConfig) { c.Limits.Age = -1 },
		"at most 23h45m0s":           func(c *envelope.SealerConfig) { c.Limits.Age = 24*time.Hour - envelope.Hold + 1 },
		"hold of -1s":                func(c *envelope.SealerConfig) { c.Limits.Hold = -time.Second },
		"hold of 24h0m0s":            func(c *envelope.SealerConfig) { c.Limits.Hold = 24 * time.Hour },
		"at most 1h0m0s":             func(c *envelope.SealerConfig) { c.Limits.Hold = 23 * time.Hour; c.Limits.Age = 61 * time.Minute },
		"limit of 2562047h47m16.854": func(c *envelope.SealerConfig) { c.Limits.Age = math.MaxInt64 },
		"cannot sign":                func(c *envelope.SealerConfig) { c.Format, c.SigningKey = envelope.FormatRSA, signingKey(1) },
	} {
		cfg := good
		change(&cfg)
		if sealer, err := envelope.NewSealer(cfg); sealer != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
	cfg := good
	cfg.Limits = envelope.Limits{Records: 1 << 32, Bytes: 1 << 40, Age: 24*time.Hour - envelope.Hold}
	if _, err := envelope.NewSealer(cfg); err != nil {
		t.Errorf("the highest limits: %v", err)
	}
}

// Without this, a message that no reader may accept would be lost.
func TestSealRefuses(t *testing.T) {
	for _, format := range nativeFormats {
		sealer := testSealer{format: format}.sealer(t)
		if sealer.MaxPlaintext() != envelope.MaxMessage {
			t.Errorf("%s holds %d bytes", format, sealer.MaxPlaintext())
		}
		dst, err := sealer.Seal([]byte("kept"), make([]byte, envelope.MaxMessage+1), 0)
		if !errors.Is(err, envelope.ErrTooLong) || string(dst) != "kept" || !strings.Contains(err.Error(), "limit 16777216") {
			t.Errorf("%s, too long: %q, %v", format, dst, err)
		}
		if dst, err := sealer.Seal([]byte("kept"), []byte("x"), -1); err == nil || string(dst) != "kept" {
			t.Errorf("%s, partition -1: %q, %v", format, dst, err)
		}
		value := mustSeal(t, sealer, strings.Repeat("x", envelope.MaxMessage), 0)
		if msg, err := newOpener(t, key2048()).Open(nil, "t", value); err != nil || len(msg.Plaintext) != envelope.MaxMessage {
			t.Errorf("%s: the longest message: %v", format, err)
		}
	}
}

// Without this, printing a sealer, an opener or an error would reveal a key.
func TestPrintingRevealsNoKey(t *testing.T) {
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealer, opener := testSealer{signing: signing, format: envelope.FormatJWE}.sealer(t), newOpener(t, key2048())
	value := mustSeal(t, sealer, "canary", 0)
	msg, err := opener.Open(nil, "t", value)
	if err != nil {
		t.Fatal(err)
	}
	msg.Plaintext = nil // the caller's to keep secret
	value[len(value)-1] ^= 0x40
	_, refused := opener.Open(nil, "t", value)
	_, tooLong := sealer.Seal(nil, make([]byte, envelope.MaxMessage+1), 0)
	wrapped, err := base64.RawURLEncoding.DecodeString(strings.Split(string(value), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	dataKey, err := rsa.DecryptOAEP(sha256.New(), nil, key2048(), wrapped, nil)
	if err != nil {
		t.Fatal(err)
	}
	description, err := envelope.Describe(value)
	printed := ""
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		printed += fmt.Sprintf(strings.Repeat(verb+"\n", 7), sealer, opener, msg, refused, tooLong, description, err)
	}
	for name, secret := range map[string][]byte{"the data key": dataKey, "the signing key": signing.Seed(), "the private key": key2048().D.Bytes(), "a prime": key2048().Primes[0].Bytes()} {
		for _, spelling := range []string{
			string(secret[:16]), hex.EncodeToString(secret[:16]), base64.StdEncoding.EncodeToString(secret[:15]),
			strings.Trim(fmt.Sprintf("%d", secret[:16]), "[]"), strings.TrimPrefix(fmt.Sprintf("%#v", secret[:16]), "[]byte")[1:60], new(big.Int).SetBytes(secret).String(),
		} {
			if strings.Contains(printed, spelling) {
				t.Errorf("%s is printed, as %q", name, spelling)
			}
		}
	}
}

// Without this, sealing and opening would keep the garbage collector busy.
func TestOneAllocationAtMost(t *testing.T) {
	message := make([]byte, 1024)
	for name, m := range map[string]testSealer{"envelope": {}, "jwe": {format: envelope.FormatJWE}, "lean": {headers: envelope.HeaderPolicy{Records: 1000, Interval: time.Minute}}} {
		m.signing = signingKey(1)
		sealer, opener := m.sealer(t), newOpener(t, key2048())
		value := mustSeal(t, sealer, string(message), 1000)
		mustSeal(t, sealer, "the second record prepares the next data key, which must not be counted", 1000)
		if name == "lean" {
			if _, err := opener.Open(nil, "t", value); err != nil {
				t.Fatal(err)
			}
			value = mustSeal(t, sealer, string(message), 1000)
		}
		if sealer.NextDataKey() == "" {
			t.Error("no data key was prepared")
		}
		for want, dst := range map[float64][]byte{0: make([]byte, 0, 4096), 1: nil} {
			if raceDetector {
				want++ // the race detector allocates once
			}
			if got := testing.AllocsPerRun(100, func() { _, _ = sealer.Seal(dst, message, 1000) }); got > want { //nolint:errcheck // only the memory counts here
				t.Errorf("%s: sealing takes %v allocations, want %v", name, got, want)
			}
			if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(dst, "t", value) }); got > want { //nolint:errcheck // only the memory counts here
				t.Errorf("%s: opening takes %v allocations, want %v", name, got, want)
			}
		}
	}
}

// Without this, a writer would start with a key whose records no reader recognizes.
func TestNewSealerRefusesKeys(t *testing.T) {
	pub := &key2048().PublicKey
	odd := newKey(2056)
	for _, c := range []struct {
		name   string
		format envelope.Format
		keys   []*rsa.PublicKey
		says   string
	}{
		{"no format", "", []*rsa.PublicKey{pub}, `format ""`},
		{"unknown format", "rot13", []*rsa.PublicKey{pub}, `format "rot13"`},
		{"no reader", envelope.FormatRSA, nil, "0 public keys"},
		{"two readers", envelope.FormatRSA, []*rsa.PublicKey{pub, pub}, "2 public keys"},
		{"nil reader", envelope.FormatRSA, []*rsa.PublicKey{nil}, "nil"},
		{"zero reader", envelope.FormatRSA, []*rsa.PublicKey{{}}, "modulus"},
		{"exponent 3", envelope.FormatRSA, []*rsa.PublicKey{{N: pub.N, E: 3}}, "exponent 3"},
		{"2056 bits", envelope.FormatRSA, []*rsa.PublicKey{&odd.PublicKey}, "2056 bits"},
	} {
		sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: c.format, Topic: "t", Readers: c.keys})
		if sealer != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.says)
		}
	}
}
