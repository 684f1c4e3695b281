package keywrap

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

func newKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A released key could not be unwrapped, or an altered one would be.
func TestWrapAndUnwrap(t *testing.T) {
	wrapping, other := newKey(t, 2048), newKey(t, 2048)
	for _, c := range []struct {
		algorithm, wrong Algorithm
		bits             int
	}{{CKM, RSA256, 2048}, {RSA256, RSA384, 3072}, {RSA384, CKM, 4096}} {
		key := newKey(t, c.bits)
		wrapped, err := Wrap(&wrapping.PublicKey, c.algorithm, key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unwrap(wrapping, c.algorithm, wrapped)
		if err != nil || !got.Equal(key) {
			t.Errorf("%s, %d bits: got another key, or error %v", c.algorithm, c.bits, err)
		}
		if _, err := Unwrap(wrapping, c.wrong, wrapped); err == nil {
			t.Errorf("%s: unwrapped as %s", c.algorithm, c.wrong)
		}
		if _, err := Unwrap(other, c.algorithm, wrapped); err == nil {
			t.Errorf("%s: unwrapped with another wrapping key", c.algorithm)
		}
		for _, at := range []int{0, 255, 256, len(wrapped) - 1} {
			altered := bytes.Clone(wrapped)
			altered[at] ^= 1
			if _, err := Unwrap(wrapping, c.algorithm, altered); err == nil {
				t.Errorf("%s: unwrapped with byte %d altered", c.algorithm, at)
			}
		}
		for _, length := range []int{0, 1, 256, 257, len(wrapped) - 8} {
			if _, err := Unwrap(wrapping, c.algorithm, wrapped[:length]); err == nil {
				t.Errorf("%s: unwrapped from the first %d bytes", c.algorithm, length)
			}
		}
	}
	if _, err := Wrap(&wrapping.PublicKey, "none", other); err == nil {
		t.Error("wrapped with an unknown algorithm")
	}
}

// An answer that the vault did not make could crash the sidecar.
func FuzzUnwrap(f *testing.F) {
	wrapping := newKey(f, 2048)
	wrapped, err := Wrap(&wrapping.PublicKey, CKM, newKey(f, 2048))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped)
	f.Add(wrapped[:300])
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Unwrap(wrapping, CKM, text); err == nil && !bytes.Equal(text, wrapped) {
			t.Fatal("unwrapped crafted bytes")
		}
	})
}
