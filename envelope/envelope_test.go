package envelope_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
)

// Made once, and only where a test needs them.
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

// Without this a reader could not read what a writer wrote, or would name the
// wrong key for it.
func TestSealOpen(t *testing.T) {
	opener := newOpener(t, key2048(), key3072(), key4096())
	for _, c := range []struct {
		key   *rsa.PrivateKey
		limit int
	}{{key2048(), 190}, {key3072(), 318}, {key4096(), 446}} {
		sealer := newSealer(t, c.key)
		if got := sealer.MaxPlaintext(); got != c.limit {
			t.Errorf("%d bits hold %d bytes, want %d", c.key.N.BitLen(), got, c.limit)
		}
		for _, message := range []string{"", "Msg 1: hello", "\x00\xff", strings.Repeat("x", c.limit)} {
			value, err := sealer.Seal([]byte("kept "), []byte(message), 0)
			if err != nil {
				t.Fatal(err)
			}
			value, kept := bytes.CutPrefix(value, []byte("kept "))
			if !kept {
				t.Error("Seal does not append")
			}
			for _, dst := range []string{"", "kept "} {
				msg, err := opener.Open([]byte(dst), "t", value)
				if err != nil || string(msg.Plaintext) != dst+message || msg.KeyID != envelope.KeyID(&c.key.PublicKey) || msg.Format != envelope.FormatRSA {
					t.Errorf("%d bits, %d bytes: format %q, key %s, %v", c.key.N.BitLen(), len(message), msg.Format, msg.KeyID, err)
				}
			}
		}
		dst := []byte("kept")
		dst, err := sealer.Seal(dst, make([]byte, c.limit+1), 0)
		if want := fmt.Sprintf("got %d bytes, limit %d", c.limit+1, c.limit); !errors.Is(err, envelope.ErrTooLong) || !strings.Contains(err.Error(), want) || string(dst) != "kept" {
			t.Errorf("a message that is too long: %q, %v", dst, err)
		}
	}
}

// Without this an empty message would look like a record without a value.
func TestOpenEmptyMessageIsNotNil(t *testing.T) {
	msg, err := newOpener(t, key2048()).Open(nil, "t", seal(t, key2048(), ""))
	if err != nil || msg.Plaintext == nil || len(msg.Plaintext) != 0 {
		t.Errorf("got %#v, %v", msg.Plaintext, err)
	}
}

// Without this a writer would start with a key whose records no reader knows.
func TestNewSealerRefuses(t *testing.T) {
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

// Without this a record would be shown with a state that is not true of it.
func TestOpenTellsRecordsApart(t *testing.T) {
	good := string(seal(t, key3072(), "hello"))
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, n)) }
	wrapped := strings.Join([]string{good[:64], good[64:128], good[128:]}, "\n")
	padded := b64(256)
	full, other, none := newOpener(t, key3072()), newOpener(t, key2048(), newKey(3072)), newOpener(t)
	for _, c := range []struct {
		name   string
		opener *envelope.Opener
		value  string
		want   error
		format envelope.Format
	}{
		{"no keys", none, good, envelope.ErrNoKey, envelope.FormatRSA},
		{"other keys", other, good, envelope.ErrUndecryptable, envelope.FormatRSA},
		{"right size, not a cipher text", full, b64(384), envelope.ErrUndecryptable, envelope.FormatRSA},
		{"256 bytes, size of no key held", full, b64(256), envelope.ErrUndecryptable, envelope.FormatRSA},
		{"512 bytes, size of no key held", full, b64(512), envelope.ErrUndecryptable, envelope.FormatRSA},
		{"one character missing", full, good[:len(good)-1], envelope.ErrMalformed, ""},
		{"four characters missing", full, good[:len(good)-4], envelope.ErrMalformed, ""},
		{"255 bytes", full, b64(255), envelope.ErrMalformed, ""},
		{"257 bytes", full, b64(257), envelope.ErrMalformed, ""},
		{"258 bytes", full, b64(258), envelope.ErrMalformed, ""},
		{"385 bytes", full, b64(385), envelope.ErrMalformed, ""},
		{"513 bytes", full, b64(513), envelope.ErrMalformed, ""},
		{"1024 bytes", full, b64(1024), envelope.ErrMalformed, ""},
		{"3000 bytes", full, b64(3000), envelope.ErrMalformed, ""},
		{"not padded", full, strings.TrimRight(padded, "="), envelope.ErrMalformed, ""},
		{"loose bits before the padding", full, padded[:341] + "/==", envelope.ErrMalformed, ""},
		{"wrapped in lines", full, wrapped, envelope.ErrMalformed, ""},
		{"line break at the end", full, good + "\n", envelope.ErrMalformed, ""},
		{"256 bytes in the length of 384", full, padded + strings.Repeat("\n", 512-344), envelope.ErrMalformed, ""},
		{"base64url", full, base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 384)), envelope.ErrMalformed, ""},
		{"201 characters", full, strings.Repeat("A", 201), envelope.ErrMalformed, ""},
		{"200 characters", full, strings.Repeat("A", 200), envelope.ErrNotEncrypted, ""},
		{"null or empty", full, "", envelope.ErrNotEncrypted, ""},
		{"null or empty, without keys", none, "", envelope.ErrNotEncrypted, ""},
		{"word", full, "hello", envelope.ErrNotEncrypted, ""},
		{"short base64", full, "aGVsbG8=", envelope.ErrNotEncrypted, ""},
		{"sentence", full, strings.Repeat("a b ", 200), envelope.ErrNotEncrypted, ""},
		{"blank in a record", full, good[:100] + " " + good[101:], envelope.ErrNotEncrypted, ""},
		{"JSON", full, `{"value":"` + good + `"}`, envelope.ErrNotEncrypted, ""},
		{"384 raw bytes", full, strings.Repeat("\xff", 384), envelope.ErrNotEncrypted, ""},
	} {
		msg, err := c.opener.Open([]byte("dst"), "t", []byte(c.value))
		if !errors.Is(err, c.want) || msg.Format != c.format || msg.Plaintext != nil || msg.KeyID != "" {
			t.Errorf("%s: got format %q, %v, want %q, %v", c.name, msg.Format, err, c.format, c.want)
		}
	}
}

// Without this an altered record could pass for a true one.
func TestEveryAlteredByteIsRefused(t *testing.T) {
	value := seal(t, key2048(), "hello")
	opener := newOpener(t, key2048())
	for i := range value {
		altered := bytes.Clone(value)
		altered[i] ^= 1
		if msg, err := opener.Open(nil, "t", altered); err == nil {
			t.Errorf("byte %d altered, and opened as %d bytes", i, len(msg.Plaintext))
		}
	}
}

// Without this a key that arrives while records are read could break the reader.
func TestKeysChangeWhileOpening(t *testing.T) {
	value := seal(t, key2048(), "hello")
	opener := newOpener(t)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 20 {
				msg, err := opener.Open(nil, "t", value)
				if err == nil && string(msg.Plaintext) == "hello" || errors.Is(err, envelope.ErrNoKey) {
					continue
				}
				t.Error(err)
			}
		})
	}
	for range 20 {
		if err := opener.SetKeys(key2048()); err != nil {
			t.Error(err)
		}
		if err := opener.SetKeys(); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// Without this one bad key would cost the good ones, or be found out at the
// first record.
func TestSetKeysTakesAllOrNone(t *testing.T) {
	opener := newOpener(t, key2048(), key3072())
	public := key2048().PublicKey
	for name, bad := range map[string]*rsa.PrivateKey{
		"nil":           nil,
		"zero":          {},
		"only public":   {PublicKey: public},
		"nil primes":    {PublicKey: public, D: key2048().D, Primes: newPrimes(2)},
		"three primes":  {PublicKey: public, D: key2048().D, Primes: newPrimes(3)},
		"no exponent":   {PublicKey: public, Primes: key2048().Primes},
		"another's":     {PublicKey: key3072().PublicKey, D: key2048().D, Primes: key2048().Primes},
		"1024 bits":     smallKey(),
		"another's own": {PublicKey: key3072().PublicKey, D: key2048().D, Primes: key2048().Primes, Precomputed: key2048().Precomputed},
	} {
		if err := opener.SetKeys(key4096(), bad); err == nil || !strings.Contains(err.Error(), "key 2 of 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []string{envelope.KeyID(&key2048().PublicKey), envelope.KeyID(&key3072().PublicKey)}
	if got := opener.KeyIDs(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("holds %v, want %v", got, want)
	}
	bare := &rsa.PrivateKey{PublicKey: public, D: key2048().D, Primes: key2048().Primes}
	if err := opener.SetKeys(bare); err != nil || bare.Precomputed.Dp != nil {
		t.Errorf("a key of bare numbers: %v, written to: %t", err, bare.Precomputed.Dp != nil)
	}
	if _, err := opener.Open(nil, "t", seal(t, key2048(), "hello")); err != nil {
		t.Error(err)
	}
}

// Without this a topic of long values would cost memory for nothing.
func TestPlainRecordsCostNothing(t *testing.T) {
	opener := newOpener(t, key2048())
	for name, value := range map[string][]byte{
		"text":        bytes.Repeat([]byte("a b "), 1<<18),
		"long base64": bytes.Repeat([]byte("abcd"), 1<<18),
		"word":        []byte("hello"),
		"null":        nil,
	} {
		if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(nil, "t", value) }); got != 0 { //nolint:errcheck // only the memory counts here
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	opener, none := newOpener(f, key2048()), newOpener(f)
	f.Add([]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 256))))
	f.Add([]byte(strings.Repeat("A", 201)))
	f.Add([]byte(strings.Repeat("A\n", 342)))
	f.Add([]byte("text"))
	f.Add(seal(f, key2048(), "hello"))
	f.Fuzz(func(t *testing.T, value []byte) {
		msg, err := opener.Open(nil, "t", value)
		if err == nil && string(msg.Plaintext) != "hello" || err != nil && msg.Plaintext != nil {
			t.Error("opened what nobody sealed")
		}
		block, wrong := base64.StdEncoding.Strict().DecodeString(string(value))
		record := wrong == nil && !bytes.ContainsAny(value, "\r\n") && (len(block) == 256 || len(block) == 384 || len(block) == 512)
		if _, err := none.Open(nil, "t", value); errors.Is(err, envelope.ErrNoKey) != record {
			t.Errorf("a record: %t, but %v", record, err)
		}
	})
}
