package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// MaxMessage is how many bytes one record of the formats envelope and jwe
// holds, 16 MiB. A message is in memory whole on both sides, since nothing of
// it may be used before its last byte is checked; brokers take 1 MiB by
// default.
const MaxMessage = 16 << 20

// SealerConfig says how and for whom to seal. There is no default format.
type SealerConfig struct {
	Format Format
	// Topic is where the records will be written; one sealer is for one topic.
	// They open in no other. The format rsa does not bind it.
	Topic string
	// Readers can open, each alone: 1 to 16 keys of 2048 to 8192 bits in the
	// format envelope, exactly one in jwe. The format rsa takes exactly one,
	// whose modulus has 256, 384 or 512 bytes: a reader would not recognize
	// records of another length.
	Readers []*rsa.PublicKey
	// SigningKey proves the sender. Without one, anybody with the public key
	// could have sealed. The format rsa cannot sign, and refuses one.
	SigningKey ed25519.PrivateKey
	// Limits say how long one data key is used; zero means the defaults. The
	// format rsa has no data keys.
	Limits Limits
}

// Sealer seals messages for one topic. It is safe for concurrent use.
type Sealer struct {
	format Format
	rsa    *rsa.PublicKey // in the format rsa
	maker  *keyMaker      // behind a pointer, so that printing a sealer shows no signing key
	limits Limits
	fixed  int // bytes of a record beside the text of IV, message and tag

	mu    sync.Mutex
	key   *dataKey
	spare chan madeKey // the next data key, when it was begun
}

// NewSealer checks the configuration, and makes the first data key.
func NewSealer(cfg SealerConfig) (*Sealer, error) {
	s := &Sealer{format: cfg.Format}
	if err := s.configure(cfg); err != nil {
		return nil, fmt.Errorf("making a sealer: %w", err)
	}
	return s, nil
}

// Format keeps fmt from printing the keys inside. With a verb that does not fit,
// such as %s, it would follow pointers.
func (s *Sealer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "sealer of format %s", s.format) //nolint:errcheck // fmt takes no error from here
}

func (s *Sealer) configure(cfg SealerConfig) error {
	most := 1
	switch cfg.Format {
	case FormatRSA, FormatJWE:
	case FormatEnvelope:
		most = maxReaders
	default:
		return fmt.Errorf("got format %q, want %q, %q or %q", cfg.Format, FormatRSA, FormatEnvelope, FormatJWE)
	}
	if got := len(cfg.Readers); got < 1 || got > most {
		return fmt.Errorf("got %d public keys, format %s takes %d", got, cfg.Format, most)
	}
	for _, reader := range cfg.Readers {
		if reader == nil {
			return errors.New("the public key is nil")
		}
		if err := checkPublicKey(reader); err != nil {
			return err
		}
	}
	if cfg.Format == FormatRSA {
		return s.configureRSA(cfg)
	}
	if err := checkTopic(cfg.Topic); err != nil {
		return err
	}
	var err error
	if s.limits, err = cfg.Limits.orDefaults(); err != nil {
		return err
	}
	if s.maker, err = newKeyMaker(cfg); err != nil {
		return err
	}
	if s.key, err = s.maker.make(); err != nil {
		return err
	}
	s.fixed = len(s.key.prefix)
	return nil
}

func (s *Sealer) configureRSA(cfg SealerConfig) error {
	s.rsa = cfg.Readers[0]
	if !isBlock(s.rsa.Size()) {
		return fmt.Errorf("got an RSA key of %d bits, format %s takes 2048, 3072 or 4096", s.rsa.N.BitLen(), FormatRSA)
	}
	if cfg.SigningKey != nil {
		return fmt.Errorf("got a signing key, format %s cannot sign", FormatRSA)
	}
	return nil
}

// MaxPlaintext is how many bytes one record holds: [MaxMessage], or in the
// format rsa those of the modulus less two hashes and two bytes (RFC 8017,
// section 7.1.1), so 190, 318 or 446.
func (s *Sealer) MaxPlaintext() int {
	if s.format == FormatRSA {
		return s.rsa.Size() - 2*sha256.Size - 2
	}
	return MaxMessage
}

// Size is how many bytes the record of a message of n bytes has. It is the same
// for all records of this sealer.
func (s *Sealer) Size(n int) int {
	switch s.format {
	case FormatRSA:
		return base64.StdEncoding.EncodedLen(s.rsa.Size())
	case FormatJWE:
		enc := base64.RawURLEncoding
		return s.fixed + enc.EncodedLen(ivSize) + 1 + enc.EncodedLen(n) + 1 + enc.EncodedLen(tagSize)
	default:
		return s.fixed + ivSize + n + tagSize
	}
}

// Seal appends the record's value to dst, which must not overlap the plaintext;
// with room for [Sealer.Size] bytes more it allocates nothing. The record must
// then be written to the partition given, which may not be negative; the format
// rsa does not bind it. A message of more than MaxPlaintext bytes gives
// [ErrTooLong] with both lengths; with an error dst is returned as it was.
//
// To send one record again, send its bytes again. Sealing the same message once
// more makes another record.
func (s *Sealer) Seal(dst, plaintext []byte, partition int32) ([]byte, error) {
	if got, limit := len(plaintext), s.MaxPlaintext(); got > limit {
		return dst, fmt.Errorf("sealing a record: %w: got %d bytes, limit %d", ErrTooLong, got, limit)
	}
	if s.format == FormatRSA {
		return sealRSA(dst, plaintext, s.rsa)
	}
	if partition < 0 {
		return dst, fmt.Errorf("sealing a record: got partition %d, want 0 or more", partition)
	}
	key, counter, err := s.reserve(partition, uint64(len(plaintext)))
	if err != nil {
		return dst, fmt.Errorf("sealing a record: %w", err)
	}
	out := append(slices.Grow(dst, s.Size(len(plaintext))), key.prefix...)
	if s.format == FormatJWE {
		return key.sealText(out, plaintext, partition, counter), nil
	}
	out = appendIV(out, partition, counter)
	return key.aead.Seal(out, out[len(out)-ivSize:], plaintext, key.aad), nil
}

func appendIV(dst []byte, partition int32, counter uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(partition)) //nolint:gosec // not negative
	return binary.BigEndian.AppendUint64(dst, counter)
}

// textChunk is a multiple of three bytes, whose base64 has no loose bits.
const textChunk = 3 << 8

// sealText appends IV, cipher text and tag as text. It encrypts into the end of
// the room that the text will take, and encodes from there to its front, a
// chunk at a time: the text grows slower than it eats up what is ahead.
func (k *dataKey) sealText(out, plaintext []byte, partition int32, counter uint64) []byte {
	enc := base64.RawURLEncoding
	size := len(plaintext)
	end := len(out) + enc.EncodedLen(ivSize) + 1 + enc.EncodedLen(size) + 1 + enc.EncodedLen(tagSize)
	room := out[:end]
	at := end - size - tagSize
	// The IV in bytes stands before the cipher text for a moment, where it is
	// on the heap already: a slice of the stack would escape to it.
	iv := appendIV(room[:at-ivSize], partition, counter)[at-ivSize:]
	var chunk [textChunk]byte
	copy(chunk[:], iv)
	sealed := k.aead.Seal(room[:at], iv, plaintext, k.aad)[at:]
	out = append(enc.AppendEncode(out, chunk[:ivSize]), '.')
	text, tag := sealed[:size], sealed[size:]
	var last [tagSize]byte
	copy(last[:], tag)
	for len(text) > 0 {
		n := copy(chunk[:], text)
		out, text = enc.AppendEncode(out, chunk[:n]), text[n:]
	}
	return enc.AppendEncode(append(out, '.'), last[:])
}
