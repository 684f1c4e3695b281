package envelope_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, a reader could not open a record, or would name the wrong key.
func TestSealOpenRSA(t *testing.T) {
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

// Without this, an empty message would look like a record without a value.
func TestOpenEmptyMessageIsNotNil(t *testing.T) {
	msg, err := newOpener(t, key2048()).Open(nil, "t", seal(t, key2048(), ""))
	if err != nil || msg.Plaintext == nil || len(msg.Plaintext) != 0 {
		t.Errorf("got %#v, %v", msg.Plaintext, err)
	}
}

// Without this, a record would be shown with a wrong state.
func TestRecognizeRSA(t *testing.T) {
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

// Without this, an altered record could open.
func TestEveryAlteredByteIsRefused(t *testing.T) {
	value := seal(t, key2048(), "hello")
	opener := newOpener(t, key2048())
	for i := range value {
		altered := bytes.Clone(value)
		altered[i] ^= 1
		if msg, err := opener.Open(nil, "t", altered); err == nil {
			t.Errorf("with byte %d altered, it opened as %d bytes", i, len(msg.Plaintext))
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
