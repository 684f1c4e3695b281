package envelope

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// SealerConfig says how and for whom to seal.
type SealerConfig struct {
	Format  Format
	Topic   string           // the topic that the records are for; the format rsa does not bind it
	Readers []*rsa.PublicKey // who can open; exactly one in the format rsa
}

// Sealer seals messages. It is safe for concurrent use.
type Sealer struct{ reader *rsa.PublicKey }

// NewSealer checks the configuration. There is no default format. The format
// rsa takes one reader, whose modulus has 256, 384 or 512 bytes: a reader would
// not recognize records of another length.
func NewSealer(cfg SealerConfig) (*Sealer, error) {
	if cfg.Format != FormatRSA {
		return nil, fmt.Errorf("making a sealer: got format %q, want %q", cfg.Format, FormatRSA)
	}
	if got := len(cfg.Readers); got != 1 {
		return nil, fmt.Errorf("making a sealer: got %d public keys, format %s takes 1", got, FormatRSA)
	}
	reader := cfg.Readers[0]
	if reader == nil {
		return nil, errors.New("making a sealer: the public key is nil")
	}
	if err := checkPublicKey(reader); err != nil {
		return nil, fmt.Errorf("making a sealer: %w", err)
	}
	if !isBlock(reader.Size()) {
		return nil, fmt.Errorf("making a sealer: got an RSA key of %d bits, format %s takes 2048, 3072 or 4096",
			reader.N.BitLen(), FormatRSA)
	}
	return &Sealer{reader: reader}, nil
}

// MaxPlaintext is how many bytes one record holds: those of the modulus less
// two hashes and two bytes (RFC 8017, section 7.1.1), so 190, 318 or 446.
func (s *Sealer) MaxPlaintext() int { return s.reader.Size() - 2*sha256.Size - 2 }

// Seal appends the record's value to dst. A message of more than MaxPlaintext
// bytes gives [ErrTooLong] with both lengths; with an error dst is returned as
// it was. The format rsa does not bind the partition.
func (s *Sealer) Seal(dst, plaintext []byte, _ int32) ([]byte, error) {
	if got, limit := len(plaintext), s.MaxPlaintext(); got > limit {
		return dst, fmt.Errorf("sealing a record: %w: got %d bytes, limit %d", ErrTooLong, got, limit)
	}
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, s.reader, plaintext, nil)
	if err != nil {
		return dst, fmt.Errorf("sealing a record: %w", err)
	}
	return base64.StdEncoding.AppendEncode(dst, block), nil
}
