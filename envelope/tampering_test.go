package envelope_test

import (
	"bytes"
	"errors"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, an altered record could open, crash the reader, or pass for one that is
// not encrypted.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	for name, value := range everySerialization(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opener := newOpener(t, key2048())
			// A record is recognized by its start: the first byte of the binary form, the
			// first three of the compact form, the fixed text of JSON.
			start := map[string]int{"jwe": 3, "json": 16, "rsa": len(value)}[name]
			for i := range value {
				for bit := range 8 {
					// One bit of each byte is enough: most cost a private-key operation.
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
						t.Errorf("byte %d, bit %d flipped: taken for not encrypted", i, bit)
					}
				}
			}
		})
	}
}

// Without this, a record that was cut short could open, or crash the reader.
func TestEveryTruncationIsRefused(t *testing.T) {
	for name, value := range everySerialization(t) {
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

// Without this, a caller who ignores the error could use a plaintext whose tag is wrong.
func TestNothingIsReleasedWithAnError(t *testing.T) {
	for name, value := range everySerialization(t) {
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
		buf := make([]byte, 0, 4096)
		if _, err := opener.Open(buf, "t", changed); err == nil || bytes.Contains(buf[:cap(buf)], []byte("hello")) {
			t.Errorf("%s: %v, and the plaintext is in the buffer", name, err)
		}
	}
}
