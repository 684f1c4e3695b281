package envelope_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
)

// use names what must never be used twice: a data key with an IV.
func use(t testing.TB, value []byte) string {
	t.Helper()
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	end := d.Prefix + 12
	if d.Format == envelope.FormatJWE {
		return d.DataKey + strings.Split(string(value), ".")[2]
	}
	return d.DataKey + hex.EncodeToString(value[d.Prefix:end])
}

// Without this two messages could be sealed with one nonce, which tells both of
// them to whoever looks, and lets anybody forge more.
func TestNoncesAreUnique(t *testing.T) {
	for _, format := range both {
		var mu sync.Mutex
		seen := make(map[string]bool)
		for range 3 { // a restart makes a new sealer with the same settings
			sealer := maker{format: format, limits: envelope.Limits{Records: 100}}.sealer(t)
			var writers sync.WaitGroup
			for range 8 {
				writers.Go(func() {
					for i := range int32(100) {
						value := sealed(t, sealer, "x", i%7)
						mu.Lock()
						if used := use(t, value); seen[used] {
							t.Errorf("%s: a nonce was used twice", format)
						} else {
							seen[used] = true
						}
						mu.Unlock()
					}
				})
			}
			writers.Wait()
		}
		if len(seen) != 3*8*100 {
			t.Errorf("%s: %d nonces for %d records", format, len(seen), 3*8*100)
		}
	}
}

// Without this a gap would show where nothing is missing, or a data key would
// serve more partitions than its counters tell apart.
func TestCountersRunByPartition(t *testing.T) {
	sealer := maker{}.sealer(t)
	for i := range uint64(5) {
		for _, partition := range []int32{0, 1, 1<<31 - 1} {
			d, err := envelope.Describe(sealed(t, sealer, "x", partition))
			if err != nil || d.Counter != i || d.Partition != partition {
				t.Errorf("partition %d: got %d/%d, want %d, %v", partition, d.Partition, d.Counter, i, err)
			}
		}
	}
}

// dataKeys seals messages of the size given and counts those of each data key.
func dataKeys(t *testing.T, sealer *envelope.Sealer, n, size int, between func()) []int {
	t.Helper()
	message := make([]byte, size)
	var counts []int
	last := ""
	for range n {
		value, err := sealer.Seal(nil, message, 0)
		if err != nil {
			t.Fatal(err)
		}
		d, err := envelope.Describe(value)
		if err != nil {
			t.Fatal(err)
		}
		if d.DataKey != last {
			counts, last = append(counts, 0), d.DataKey
			if d.Counter != 0 {
				t.Errorf("a new data key begins at %d", d.Counter)
			}
		}
		counts[len(counts)-1]++
		between()
	}
	return counts
}

// Without this a writer for many readers would stand still at each rotation.
func TestNextDataKeyIsMadeAhead(t *testing.T) {
	sealer := maker{limits: envelope.Limits{Records: 3}}.sealer(t)
	sealed(t, sealer, "x", 0)
	if sealer.Spare() != nil {
		t.Error("whoever seals one record only pays for two data keys")
	}
	for range 3 { // each round ends with the first record of the next data key
		sealed(t, sealer, "x", 0)
		sealed(t, sealer, "x", 0)
		spare := sealer.Spare()
		if next := sealed(t, sealer, "x", 0); spare == nil || !bytes.HasPrefix(next, spare) {
			t.Error("the data key that was made ahead is not the next one")
		}
	}
}

// Without this a topic full of one broken record would keep the reader busy:
// trying a key costs a thousand times what opening does.
func TestRefusalsAreRemembered(t *testing.T) {
	value := maker{}.seal(t, "hello", 0)
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	value[d.Prefix-1] ^= 1 // in the wrapped key
	opener := newOpener(t, key2048())
	dst := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { _, err = opener.Open(dst, "t", value) }); got != 0 || !errors.Is(err, envelope.ErrUndecryptable) {
		t.Errorf("%v allocations each time, %v", got, err)
	}
	if got := opener.Remembered(); got != 1 {
		t.Errorf("%d prefixes are remembered", got)
	}
}

// Without this one data key would be used for longer than is safe. Each limit
// is reached.
func TestLimitsRotate(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits envelope.Limits
		size   int
		step   time.Duration
		want   []int
	}{
		{"records", envelope.Limits{Records: 3}, 1, 0, []int{3, 3, 1}},
		{"one record", envelope.Limits{Records: 1}, 1, 0, []int{1, 1, 1, 1, 1, 1, 1}},
		{"bytes", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage/2 - 1, 0, []int{2, 2, 2, 1}},
		{"bytes, exactly", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage / 2, 0, []int{2, 2, 2, 1}},
		{"bytes, one more", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage/2 + 1, 0, []int{1, 1, 1, 1, 1, 1, 1}},
		{"age", envelope.Limits{Age: time.Minute}, 1, 20 * time.Second, []int{3, 3, 1}},
		{"default age", envelope.Limits{}, 1, 20 * time.Minute, []int{3, 3, 1}},
		{"no limit reached", envelope.Limits{}, 1, time.Minute, []int{7}},
	} {
		synctest.Test(t, func(t *testing.T) {
			between := func() { time.Sleep(c.step); synctest.Wait() }
			if got := dataKeys(t, maker{limits: c.limits}.sealer(t), 7, c.size, between); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v records a data key, want %v", c.name, got, c.want)
			}
		})
	}
}

// Without this a data key that has waited would be thrown away unused, or one
// that nobody used for long would go on.
func TestAgeCountsFromTheFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealer := maker{limits: envelope.Limits{Age: time.Hour}}.sealer(t)
		dataKey := func(wait time.Duration) string {
			time.Sleep(wait)
			synctest.Wait()
			d, err := envelope.Describe(sealed(t, sealer, "x", 0))
			if err != nil {
				t.Fatal(err)
			}
			return d.DataKey
		}
		first := dataKey(24 * time.Hour) // made long before it is used
		if dataKey(time.Hour-1) != first {
			t.Error("replaced within the hour")
		}
		if dataKey(1) == first {
			t.Error("not replaced after the hour")
		}
	})
}

// Without this a typo in a limit would start a writer that is not safe.
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
		"there twice":                func(c *envelope.SealerConfig) { c.Readers = many[:2] },
		"is nil":                     func(c *envelope.SealerConfig) { c.Readers = []*rsa.PublicKey{nil} },
		"topic's name of 0 bytes":    func(c *envelope.SealerConfig) { c.Topic = "" },
		"topic's name of 250 bytes":  func(c *envelope.SealerConfig) { c.Topic = strings.Repeat("x", 250) },
		"has a character":            func(c *envelope.SealerConfig) { c.Topic = `t"` },
		"signing key of 3 bytes":     func(c *envelope.SealerConfig) { c.SigningKey = []byte("abc") },
		"4294967297 records":         func(c *envelope.SealerConfig) { c.Limits.Records = 1<<32 + 1 },
		"limit of 16777215 bytes":    func(c *envelope.SealerConfig) { c.Limits.Bytes = envelope.MaxMessage - 1 },
		"limit of 1099511627777 byt": func(c *envelope.SealerConfig) { c.Limits.Bytes = 1<<40 + 1 },
		"limit of -1ns":              func(c *envelope.SealerConfig) { c.Limits.Age = -1 },
		"cannot sign":                func(c *envelope.SealerConfig) { c.Format, c.SigningKey = envelope.FormatRSA, signer(1) },
	} {
		cfg := good
		change(&cfg)
		if sealer, err := envelope.NewSealer(cfg); sealer != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
	cfg := good
	cfg.Limits = envelope.Limits{Records: 1 << 32, Bytes: 1 << 40, Age: time.Hour}
	if _, err := envelope.NewSealer(cfg); err != nil {
		t.Errorf("the highest limits: %v", err)
	}
}

// Without this a record would be lost that no reader may take, or that belongs
// to no partition.
func TestSealRefuses(t *testing.T) {
	for _, format := range both {
		sealer := maker{format: format}.sealer(t)
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
		value := sealed(t, sealer, strings.Repeat("x", envelope.MaxMessage), 0)
		if msg, err := newOpener(t, key2048()).Open(nil, "t", value); err != nil || len(msg.Plaintext) != envelope.MaxMessage {
			t.Errorf("%s: the longest message: %v", format, err)
		}
	}
}

// Without this a reader whose key was taken away could go on reading, or keys
// that came would not be tried on what was refused before.
func TestWhatWasLearnedGoesWithTheKeys(t *testing.T) {
	for name, value := range oneOfEach(t) {
		opener := newOpener(t, key2048())
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range []struct {
			keys []*rsa.PrivateKey
			want error
		}{{nil, envelope.ErrNoKey}, {[]*rsa.PrivateKey{key4096()}, envelope.ErrUnknownKey}, {[]*rsa.PrivateKey{key4096(), key2048()}, nil}} {
			if err := opener.SetKeys(c.keys...); err != nil {
				t.Fatal(err)
			}
			if name == "rsa" && errors.Is(c.want, envelope.ErrUnknownKey) {
				c.want = envelope.ErrUndecryptable // it names no key
			}
			if _, err := opener.Open(nil, "t", value); !errors.Is(err, c.want) {
				t.Errorf("%s with %d keys: %v, want %v", name, len(c.keys), err, c.want)
			}
		}
	}
}

// Without this a topic of many data keys would fill the reader's memory, or a
// record would be judged by another one's data key.
func TestManyDataKeys(t *testing.T) {
	sealer := maker{limits: envelope.Limits{Records: 1}}.sealer(t)
	opener := newOpener(t, key2048())
	often := maker{}.sealer(t)
	for i := range 600 {
		for _, s := range []*envelope.Sealer{sealer, often} {
			if msg, err := opener.Open(nil, "t", sealed(t, s, "hello", 0)); err != nil || string(msg.Plaintext) != "hello" {
				t.Fatalf("data key %d: %v", i, err)
			}
		}
	}
	if got := opener.Remembered(); got > 512 {
		t.Errorf("%d prefixes are remembered", got)
	}
}

// Without this a program that prints what it holds would print the key that
// seals or proves its messages.
func TestNothingPrintsAKey(t *testing.T) {
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealer, opener := maker{signing: signing, format: envelope.FormatJWE}.sealer(t), newOpener(t, key2048())
	value := sealed(t, sealer, "canary", 0)
	msg, err := opener.Open(nil, "t", value)
	if err != nil {
		t.Fatal(err)
	}
	msg.Plaintext = nil // what a caller prints of it is the caller's
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

// Without this the hot path would cost memory that the collector must find.
func TestOneAllocationAtMost(t *testing.T) {
	message := make([]byte, 1024)
	for _, format := range both {
		sealer, opener := maker{format: format, signing: signer(1)}.sealer(t), newOpener(t, key2048())
		value := sealed(t, sealer, string(message), 0)
		sealed(t, sealer, "the second record begins another data key, whose making must not be counted", 0)
		if sealer.Spare() == nil {
			t.Error("no data key was begun ahead of need")
		}
		for want, dst := range map[float64][]byte{0: make([]byte, 0, 4096), 1: nil} {
			if raceDetector {
				want++ // it has an allocation of its own
			}
			if got := testing.AllocsPerRun(100, func() { _, _ = sealer.Seal(dst, message, 1000) }); got > want { //nolint:errcheck // only the memory counts here
				t.Errorf("%s: sealing takes %v allocations, want %v", format, got, want)
			}
			if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(dst, "t", value) }); got > want { //nolint:errcheck // only the memory counts here
				t.Errorf("%s: opening takes %v allocations, want %v", format, got, want)
			}
		}
	}
}
