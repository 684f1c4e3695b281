package envelope_test

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
)

// oneOfEach is a record of every format and spelling, for key2048 and "t".
func oneOfEach(t testing.TB) map[string][]byte {
	t.Helper()
	two := maker{readers: []*rsa.PrivateKey{key3072(), key2048()}, signing: signer(1)}.seal(t, "hello", 3)
	json, err := envelope.Convert(two)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"rsa":      seal(t, key2048(), "hello"),
		"envelope": maker{signing: signer(1)}.seal(t, "hello", 3),
		"two":      two,
		"jwe":      maker{format: envelope.FormatJWE, signing: signer(1)}.seal(t, "hello", 3),
		"json":     json,
	}
}

// Without this an altered record could pass for a true one, or bring the reader
// down, or be shown as if nobody had encrypted it.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	for name, value := range oneOfEach(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opener := newOpener(t, key2048())
			// What starts like nothing known is not known: the first byte of the
			// binary form, the first three of the text, the fixed start of JSON.
			start := map[string]int{"jwe": 3, "json": 16, "rsa": len(value)}[name]
			for i := range value {
				for bit := range 8 {
					// Most cost a private-key operation: of the other spellings one of each byte.
					if (name == "two" || name == "json") && bit != i%7 {
						continue
					}
					changed := bytes.Clone(value)
					changed[i] ^= 1 << bit
					msg, err := opener.Open([]byte("dst"), "t", changed)
					if err == nil || msg.Plaintext != nil || msg.Sender.State != envelope.SenderUnchecked {
						t.Errorf("byte %d, bit %d flipped: %+v, %v", i, bit, msg, err)
					}
					if errors.Is(err, envelope.ErrNotEncrypted) && i > start {
						t.Errorf("byte %d, bit %d flipped, and taken for plain", i, bit)
					}
				}
			}
		})
	}
}

// Without this a record that was cut short could be taken, or bring the reader
// down.
func TestEveryTruncationIsRefused(t *testing.T) {
	for name, value := range oneOfEach(t) {
		opener := newOpener(t, key2048())
		for n := range value {
			if msg, err := opener.Open(nil, "t", value[:n]); err == nil || msg.Plaintext != nil {
				t.Errorf("%s: the first %d bytes of %d opened", name, n, len(value))
			}
			if msg, err := opener.Open(nil, "t", value[n+1:]); err == nil || msg.Plaintext != nil {
				t.Errorf("%s: all but the first %d bytes opened", name, n+1)
			}
		}
		for _, more := range []string{"\x00", "A", "\n", "."} {
			if _, err := opener.Open(nil, "t", append(bytes.Clone(value), more...)); err == nil {
				t.Errorf("%s: opened with %q at its end", name, more)
			}
		}
	}
}

// Without this nothing would tell that dst was written to before the tag was
// checked: a caller who ignores the error must find no plaintext there.
func TestNothingIsReleasedWithAnError(t *testing.T) {
	for name, value := range oneOfEach(t) {
		if name == "rsa" {
			continue
		}
		opener := newOpener(t, key2048())
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(value)
		at := len(changed) - 1
		if name == "json" {
			at -= 3
		}
		changed[at] ^= 0x40
		room := make([]byte, 0, 4096)
		if _, err := opener.Open(room, "t", changed); err == nil || bytes.Contains(room[:cap(room)], []byte("hello")) {
			t.Errorf("%s: %v, and the plaintext is in the room", name, err)
		}
	}
}

// Without this readers on several cores, or a key that comes or goes meanwhile,
// could show a record as what it is not.
func TestManyOpenAtOnce(t *testing.T) {
	var values [][]byte
	for _, format := range both {
		sealer := maker{format: format, limits: envelope.Limits{Records: 2}}.sealer(t)
		for range 40 {
			values = append(values, sealed(t, sealer, "hello", 0))
		}
	}
	opener := newOpener(t, key2048())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 3 {
				for _, value := range values {
					msg, err := opener.Open(nil, "t", value)
					if err == nil && string(msg.Plaintext) == "hello" || errors.Is(err, envelope.ErrUnknownKey) {
						continue
					}
					t.Errorf("%+v, %v", msg, err)
				}
			}
		})
	}
	for range 5 {
		for _, key := range []*rsa.PrivateKey{key3072(), key2048()} {
			if err := opener.SetKeys(key); err != nil {
				t.Error(err)
			}
		}
	}
	readers.Wait()
}
