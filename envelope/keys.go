package envelope

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"kafka-e2ee/envelope/internal/pemtext"
)

// Limits of a key. Below 2048 bits RSA is not safe (NIST SP 800-131A, section 6).
// A reader's work grows with the cube of the size, and more than 8192 bits add
// nothing. NIST SP 800-56B, section 6.2, wants exponents of at least 65537;
// crypto/rsa takes none of more than 31 bits.
const (
	minBits     = 2048
	maxBits     = 8192
	minExponent = 65537
	maxExponent = 1<<31 - 1
)

// KeyID returns the JWK thumbprint of a public key: base64url without padding of the
// SHA-256 of its required members in lexical order (RFC 7638, section 3).
func KeyID(pub *rsa.PublicKey) string {
	id := keyID(pub)
	return b64(id[:])
}

func keyID(pub *rsa.PublicKey) [idSize]byte {
	e := big.NewInt(int64(pub.E)).Bytes()
	return sha256.Sum256([]byte(`{"e":"` + b64(e) + `","kty":"RSA","n":"` + b64(pub.N.Bytes()) + `"}`))
}

// ParsePublicKeys parses one or more PEM blocks (RFC 7468), each "PUBLIC KEY" (PKIX,
// RFC 5280) or "RSA PUBLIC KEY" (PKCS#1, RFC 8017). Lines may end in LF, CR LF or CR,
// the last line end may be missing, and the text may begin with a byte order mark. A
// key must have 2048 to 8192 bits and an odd exponent of 65537 to 2^31-1. One bad
// block fails all of them. Errors never repeat the input.
func ParsePublicKeys(text []byte) ([]*rsa.PublicKey, error) {
	blocks, err := pemtext.Blocks(text)
	if err != nil {
		return nil, fmt.Errorf("parsing public key: %w", err)
	}
	keys := make([]*rsa.PublicKey, len(blocks))
	for i, block := range blocks {
		if keys[i], err = parsePublicKey(block); err == nil {
			err = checkPublicKey(keys[i])
		}
		if err != nil {
			return nil, fmt.Errorf("parsing public key %d of %d: %w", i+1, len(blocks), err)
		}
	}
	return keys, nil
}

// ParsePrivateKey parses and validates one PEM block, "PRIVATE KEY" (PKCS#8, RFC 5958)
// or "RSA PRIVATE KEY" (PKCS#1, RFC 8017), with a key that is not encrypted, has two
// primes, and keeps the limits of [ParsePublicKeys]. Errors never repeat the input.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, err := pemtext.One(text, pemtext.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	key, err := parsePrivateKey(block)
	if err == nil {
		key, err = checkedPrivateKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	return key, nil
}

// parsePublicKey does not wrap the errors of x509, because they may quote the input.
func parsePublicKey(block *pem.Block) (*rsa.PublicKey, error) {
	if err := pemtext.CheckBlock(block, pemtext.PublicKey); err != nil {
		return nil, err
	}
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PUBLIC KEY block holds no readable key")
		}
		key, ok := parsed.(*rsa.PublicKey)
		if !ok {
			return nil, pemtext.WrongKey(parsed, pemtext.PublicKey)
		}
		return key, nil
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the RSA PUBLIC KEY block holds no readable key")
		}
		return key, nil
	default:
		return nil, errors.New("not a public key (hint: the block must be PUBLIC KEY or RSA PUBLIC KEY)")
	}
}

func parsePrivateKey(block *pem.Block) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PRIVATE KEY block holds no readable key")
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, pemtext.WrongKey(parsed, pemtext.PrivateKey)
		}
		return key, nil
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the RSA PRIVATE KEY block holds no readable key")
		}
		return key, nil
	default:
		return nil, errors.New("not a private key (hint: the block must be PRIVATE KEY or RSA PRIVATE KEY)")
	}
}

func checkPublicKey(key *rsa.PublicKey) error {
	if key.N == nil || key.N.Sign() <= 0 || key.N.Bit(0) == 0 {
		return errors.New("the RSA modulus is not a positive odd number")
	}
	if got := key.N.BitLen(); got < minBits || got > maxBits {
		return fmt.Errorf("got an RSA key of %d bits, want %d to %d", got, minBits, maxBits)
	}
	if key.E < minExponent || key.E > maxExponent || key.E%2 == 0 {
		return fmt.Errorf("got the RSA exponent %d, want an odd number from %d to %d", key.E, minExponent, maxExponent)
	}
	return nil
}

// checkedPrivateKey returns a validated copy with precomputed values. It does not
// write to the original, which the caller may be using.
func checkedPrivateKey(key *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	if key == nil {
		return nil, errors.New("the key is nil")
	}
	if err := checkPublicKey(&key.PublicKey); err != nil {
		return nil, err
	}
	if got := len(key.Primes); got != 2 {
		return nil, fmt.Errorf("got an RSA key of %d primes, want 2", got)
	}
	own := *key
	own.Precompute()
	if own.Validate() != nil {
		return nil, errors.New("the numbers of the RSA key are inconsistent")
	}
	return &own, nil
}
