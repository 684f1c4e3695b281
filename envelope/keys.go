package envelope

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Limits of a key. Below 2048 bits RSA is not safe (NIST SP 800-131A, section
// 6); a reader's work grows with the cube of the size, and beyond 8192 buys
// nothing. Exponents from 65537 up are those of NIST SP 800-56B, section 6.2;
// crypto/rsa takes none of more than 31 bits.
const (
	minBits     = 2048
	maxBits     = 8192
	minExponent = 65537
	maxExponent = 1<<31 - 1
)

// KeyID is the JWK thumbprint of the public key: base64url without padding of
// the SHA-256 of its required members in lexical order (RFC 7638, section 3).
func KeyID(pub *rsa.PublicKey) string {
	id := keyID(pub)
	return b64(id[:])
}

func keyID(pub *rsa.PublicKey) [idSize]byte {
	e := big.NewInt(int64(pub.E)).Bytes()
	return sha256.Sum256([]byte(`{"e":"` + b64(e) + `","kty":"RSA","n":"` + b64(pub.N.Bytes()) + `"}`))
}

// ParsePublicKeys reads one or more PEM blocks (RFC 7468), each "PUBLIC KEY"
// (PKIX, RFC 5280) or "RSA PUBLIC KEY" (PKCS#1, RFC 8017). A key must have 2048
// to 8192 bits and an odd exponent of 65537 to 2^31-1. One bad block fails them
// all. The errors say what is wrong and never repeat the input.
func ParsePublicKeys(text []byte) ([]*rsa.PublicKey, error) {
	blocks, err := pemBlocks(text)
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

// ParsePrivateKey reads one PEM block, "PRIVATE KEY" (PKCS#8, RFC 5958) or "RSA
// PRIVATE KEY" (PKCS#1, RFC 8017), not encrypted, of two primes and with the
// limits of [ParsePublicKeys]. It validates the key. The errors say what is
// wrong and never repeat the input.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	if len(blocks) != 1 {
		return nil, fmt.Errorf("parsing private key: got %d PEM blocks, want 1", len(blocks))
	}
	key, err := parsePrivateKey(blocks[0])
	if err == nil {
		key, err = checkedPrivateKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	return key, nil
}

// pemBlocks reads all blocks. pem.Decode skips a damaged one without a word,
// which would leave out a reader.
func pemBlocks(text []byte) ([]*pem.Block, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("it is empty")
	}
	begun := bytes.Count(text, []byte("-----BEGIN "))
	if begun == 0 {
		return nil, errors.New("not PEM (hint: the text starts with -----BEGIN)")
	}
	var blocks []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	if len(blocks) != begun {
		return nil, errors.New("not PEM: a block is damaged (hint: copy it whole, with its line breaks)")
	}
	return blocks, nil
}

// The errors of x509 are left out of ours: they could quote the input.
func parsePublicKey(block *pem.Block) (*rsa.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the block PUBLIC KEY holds no key that can be read")
		}
		key, ok := parsed.(*rsa.PublicKey)
		if !ok {
			return nil, errors.New("not an RSA key")
		}
		return key, nil
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the block RSA PUBLIC KEY holds no key that can be read")
		}
		return key, nil
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY":
		return nil, errors.New("this is a private key (hint: keep it secret, and give the public half)")
	default:
		return nil, errors.New("not a public key (hint: the block must be PUBLIC KEY or RSA PUBLIC KEY)")
	}
}

func parsePrivateKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the key is encrypted (hint: decrypt it first)")
	}
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the block PRIVATE KEY holds no key that can be read")
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("not an RSA key")
		}
		return key, nil
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the block RSA PRIVATE KEY holds no key that can be read")
		}
		return key, nil
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("this is a public key (hint: give the private half)")
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

// checkedPrivateKey returns a copy that is validated and ready for fast use:
// the caller may be using the original at this moment.
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
		return nil, errors.New("the numbers of the RSA key do not fit together")
	}
	return &own, nil
}
