package console

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/envelope"
)

// seals returns records of one data key.
func seals(t *testing.T, cfg envelope.SealerConfig, readers int, messages ...string) (values [][]byte) {
	t.Helper()
	for range readers {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Readers = append(cfg.Readers, &key.PublicKey)
	}
	cfg.Topic = "topic"
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		value, err := sealer.Seal(nil, []byte(m), 0)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

// Without this the operator's column would leave out bytes that are not in an earlier record, or say something else of
// them than what they are.
func TestRepeatedHeaderIsLeftOut(t *testing.T) {
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(newFakeDemo(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cfg      envelope.SealerConfig
		readers  int
		says     string // of the second record
		japanese string
	}{
		"rsa":      {envelope.SealerConfig{Format: envelope.FormatRSA}, 1, "", ""},
		"unsigned": {envelope.SealerConfig{Format: envelope.FormatEnvelope}, 1, "bytes as before: key id, wrapped key", "鍵 ID、ラップした鍵"},
		"signed":   {envelope.SealerConfig{Format: envelope.FormatEnvelope, SigningKey: signing}, 1, "bytes as before: key id, wrapped key, signature", "ラップした鍵、署名"},
		"two keys": {envelope.SealerConfig{Format: envelope.FormatEnvelope, SigningKey: signing}, 2, "bytes as before: 2 key ids and wrapped keys, signature", "2 組、署名"},
		"jwe":      {envelope.SealerConfig{Format: envelope.FormatJWE, SigningKey: signing}, 1, "bytes as before: key id, wrapped key, signature", "署名"},
		"lean": {
			envelope.SealerConfig{Format: envelope.FormatEnvelope, Headers: envelope.HeaderPolicy{Records: 64, Interval: time.Minute}},
			1,
			"header not repeated: in an earlier record", "省略",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l storedLog
			values := seals(t, tc.cfg, tc.readers, "one", "two")
			for i, value := range values {
				l.add(newStoredRecord(&kgo.Record{Offset: int64(i), Value: value}))
			}
			records, _ := l.newest()
			first, second := c.english().stored(records[0]), c.english().stored(records[1])
			if first.Skipped != "" {
				t.Errorf("of the first record is left out: %s", first.Skipped)
			}
			if !strings.HasSuffix(second.Skipped, tc.says) || tc.says == "" && second.Skipped != "" {
				t.Errorf("of the second is said %q, want %q", second.Skipped, tc.says)
			}
			if got := (localizer{c.languages.All()[1]}).stored(records[1]).Skipped; !strings.Contains(got, tc.japanese) {
				t.Errorf("in Japanese: %q", got)
			}
			if shown := bytesShown(t, second.Text, values[1]); !bytes.HasSuffix(values[1], shown) || len(shown) < len("two")+16 {
				t.Errorf("%d bytes are shown, and are not the record's last ones", len(shown))
			}
			if n := records[1].header.size; n > 0 && !bytes.Equal(values[0][:n], values[1][:n]) {
				t.Errorf("the first %d bytes are not the same", n)
			}
		})
	}

	t.Run("an altered one is not", func(t *testing.T) {
		var l storedLog
		values := seals(t, envelope.SealerConfig{Format: envelope.FormatEnvelope}, 1, "one")
		altered := bytes.Clone(values[0])
		altered[300] ^= 1
		body := bytes.Clone(values[0])
		body[len(body)-1] ^= 1
		for i, value := range [][]byte{values[0], altered, body} {
			l.add(newStoredRecord(&kgo.Record{Offset: int64(i), Value: value}))
		}
		records, _ := l.newest()
		if records[1].repeated {
			t.Error("an altered header is taken for the one before")
		}
		if !records[2].repeated {
			t.Error("behind the same header other bytes were altered, and it is not left out")
		}
	})
}

// bytesShown returns the bytes of a value that a column shows: as base64, if they are no text.
func bytesShown(t *testing.T, text string, value []byte) []byte {
	t.Helper()
	if utf8.Valid(value) {
		return []byte(text)
	}
	shown, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// Without this a record could stop the console.
func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte("eyJhbGciOiJkaXIifQ..x.y.z"))
	f.Add([]byte{0xc1, 0x02})
	f.Fuzz(func(t *testing.T, value []byte) {
		if h := readHeader(value); h.size < 0 || h.size > len(value) || h.lean && h.size > 0 {
			t.Errorf("a header of %d bytes in a value of %d", h.size, len(value))
		}
	})
}
