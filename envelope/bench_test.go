package envelope_test

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"

	"kafka-e2ee/envelope"
)

func newGCM(t testing.TB) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// BenchmarkSeal and BenchmarkOpen compare with AES-256-GCM alone on the same bytes,
// each with and without a buffer to write to.
func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 10 << 10, 1 << 20} {
		message, aead, nonce := make([]byte, size), newGCM(b), make([]byte, 12)
		cases := map[string]func(dst []byte) []byte{
			"gcm": func(dst []byte) []byte { return aead.Seal(dst, nonce, message, nil) },
		}
		for _, format := range nativeFormats {
			sealer := testSealer{format: format, signing: signingKey(1)}.sealer(b)
			cases[string(format)] = func(dst []byte) []byte {
				value, err := sealer.Seal(dst, message, 3)
				if err != nil {
					b.Fatal(err)
				}
				return value
			}
		}
		run(b, size, cases)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 10 << 10, 1 << 20} {
		message, aead, nonce := make([]byte, size), newGCM(b), make([]byte, 12)
		cipherText := aead.Seal(nil, nonce, message, nil)
		cases := map[string]func(dst []byte) []byte{
			"gcm": func(dst []byte) []byte {
				plaintext, err := aead.Open(dst, nonce, cipherText, nil)
				if err != nil {
					b.Fatal(err)
				}
				return plaintext
			},
		}
		opener := newOpener(b, key2048())
		for _, format := range nativeFormats {
			value := testSealer{format: format, signing: signingKey(1)}.seal(b, string(message), 3)
			cases[string(format)] = func(dst []byte) []byte {
				msg, err := opener.Open(dst, "t", value)
				if err != nil {
					b.Fatal(err)
				}
				return msg.Plaintext
			}
		}
		run(b, size, cases)
	}
}

func run(b *testing.B, size int, cases map[string]func(dst []byte) []byte) {
	b.Helper()
	room := make([]byte, 0, 2*size+4096)
	for _, name := range []string{"gcm", string(envelope.FormatEnvelope), string(envelope.FormatJWE)} {
		for where, dst := range map[string][]byte{"buffer": room, "new": nil} {
			b.Run(fmt.Sprintf("%dB/%s/%s", size, name, where), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					cases[name](dst)
				}
			})
		}
	}
}
