// Package keywrap wraps a private key like the vault does to release it: an
// AES-256 key under RSA-OAEP, followed by the private key in PKCS#8 under AES-KWP
// (RFC 5649) with that AES key.
package keywrap

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format requires it for OAEP, where collisions do no harm
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"

	"github.com/tink-crypto/tink-go/v2/kwp/subtle"
)

// Algorithm is the "enc" of a release. The algorithms differ only in the hash of OAEP.
type Algorithm string

// The algorithms. The default of a request is the first.
const (
	CKM    Algorithm = "CKM_RSA_AES_KEY_WRAP" // SHA-1
	RSA256 Algorithm = "RSA_AES_KEY_WRAP_256" // SHA-256
	RSA384 Algorithm = "RSA_AES_KEY_WRAP_384" // SHA-384
)

// Known reports whether the algorithm is supported.
func (a Algorithm) Known() bool { return a == CKM || a == RSA256 || a == RSA384 }

func (a Algorithm) hash() hash.Hash {
	switch a {
	case RSA256:
		return sha256.New()
	case RSA384:
		return sha512.New384()
	default:
		return sha1.New() //nolint:gosec // as above
	}
}

// Wrap encrypts the key for the owner of the wrapping key.
func Wrap(wrapping *rsa.PublicKey, algorithm Algorithm, key *rsa.PrivateKey) ([]byte, error) {
	if !algorithm.Known() {
		return nil, fmt.Errorf("wrapping key: the algorithm is none of %s, %s, %s", CKM, RSA256, RSA384)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	defer clear(plain)
	kek := make([]byte, 32)
	defer clear(kek)
	if _, err := rand.Read(kek); err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	head, err := rsa.EncryptOAEP(algorithm.hash(), rand.Reader, wrapping, kek, nil)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	cipher, err := subtle.NewKWP(kek)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	tail, err := cipher.Wrap(plain)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	return append(head, tail...), nil
}

// Unwrap is the inverse of Wrap. Its errors contain none of the input.
func Unwrap(wrapping *rsa.PrivateKey, algorithm Algorithm, wrapped []byte) (*rsa.PrivateKey, error) {
	size := wrapping.Size()
	if !algorithm.Known() || len(wrapped) <= size {
		return nil, errors.New("unwrapping key: unknown algorithm or too short")
	}
	kek, err := rsa.DecryptOAEP(algorithm.hash(), nil, wrapping, wrapped[:size], nil)
	if err != nil {
		return nil, errors.New("unwrapping key: not for this wrapping key")
	}
	defer clear(kek)
	cipher, err := subtle.NewKWP(kek)
	if err != nil {
		return nil, errors.New("unwrapping key: the inner key is not an AES-256 key")
	}
	plain, err := cipher.Unwrap(wrapped[size:])
	if err != nil {
		return nil, errors.New("unwrapping key: the wrapped key was altered")
	}
	defer clear(plain)
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("unwrapping key: not PKCS#8")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("unwrapping key: not an RSA key")
	}
	return key, nil
}
