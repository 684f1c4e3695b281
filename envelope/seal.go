package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MaxMessage is the longest message in bytes that a record of the formats envelope
// and jwe holds, 16 MiB. Both sides keep the whole message in memory, because no part
// of it may be used before its last byte is checked. Brokers accept 1 MiB by default.
const MaxMessage = 16 << 20

// SealerConfig configures a sealer. There is no default format.
type SealerConfig struct {
	Format Format
	// Topic is the topic that the records will be written to. They open in no
	// other. The format rsa does not bind it.
	Topic string
	// Readers are the keys that can each open the records: 1 to 16 keys of 2048 to
	// 8192 bits in the format envelope, exactly one in jwe. The format rsa takes
	// exactly one, with a modulus of 256, 384 or 512 bytes, because readers do not
	// recognize records of another length.
	Readers []*rsa.PublicKey
	// SigningKey proves the sender. Without one, anybody with the public key could
	// have sealed the record. The format rsa cannot sign, and refuses one.
	SigningKey ed25519.PrivateKey
	// Limits tell how long one data key is used; zero means the defaults. The format
	// rsa has no data keys.
	Limits Limits
	// Headers tells which records are full and which are lean, in the format envelope. By
	// default all are full.
	Headers HeaderPolicy
	// Now is the clock, [time.Now] if nil. A test that needs old records sets another.
	Now func() time.Time
}

// Sealer seals messages for one topic. It is safe for concurrent use. The zero value
// seals nothing.
type Sealer struct {
	format     Format
	rsa        *rsa.PublicKey // in the format rsa
	generator  *keyGenerator  // a pointer, so that printing a sealer shows no signing key
	limits     Limits
	headers    HeaderPolicy
	prefixSize int // the same for all data keys

	mu    sync.Mutex
	clock coarseClock
	key   *dataKey
	next  func() (*dataKey, error) // waits for the next data key; nil until it is prepared
}

// NewSealer checks the configuration and makes the first data key.
func NewSealer(cfg SealerConfig) (*Sealer, error) {
	s := &Sealer{format: cfg.Format, clock: coarseClock{now: time.Now, precision: clockPrecision}}
	if cfg.Now != nil {
		s.clock.now, s.clock.precision = cfg.Now, 0
	}
	if err := s.configure(cfg); err != nil {
		return nil, fmt.Errorf("making a sealer: %w", err)
	}
	return s, nil
}

var errZeroSealer = errors.New("the sealer was not made with NewSealer")

// Format keeps fmt from printing the keys inside. With a verb such as %s, fmt would
// follow pointers.
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
	if s.generator, err = newKeyGenerator(cfg); err != nil {
		return err
	}
	if s.key, err = s.generator.generate(); err != nil {
		return err
	}
	if s.headers, err = cfg.Headers.orDefaults(); err != nil {
		return err
	}
	if cfg.Format == FormatJWE {
		s.headers.Records = 1
	}
	now, err := s.clock.read()
	if err != nil {
		return err
	}
	example := *s.key.parts // with times that have as many digits as today's
	example.issued = uint64(now.Unix())
	example.expires = example.issued + s.limits.lifetime()
	_, encoded := s.generator.encode(&example)
	s.prefixSize = len(encoded)
	return nil
}

func (s *Sealer) configureRSA(cfg SealerConfig) error {
	s.rsa = cfg.Readers[0]
	if !isBlockSize(s.rsa.Size()) {
		return fmt.Errorf("got an RSA key of %d bits, format %s takes 2048, 3072 or 4096", s.rsa.N.BitLen(), FormatRSA)
	}
	if cfg.SigningKey != nil {
		return fmt.Errorf("got a signing key, format %s cannot sign", FormatRSA)
	}
	return nil
}

// MaxPlaintext returns the longest message in bytes that one record holds:
// [MaxMessage], or in the format rsa the modulus less two hashes and two bytes (RFC
// 8017, section 7.1.1), which is 190, 318 or 446.
func (s *Sealer) MaxPlaintext() int {
	if s.format == FormatRSA {
		return s.rsa.Size() - 2*sha256.Size - 2
	}
	return MaxMessage
}

// Size returns the length in bytes of the full record of a message of n bytes. No record
// of such a message is longer.
func (s *Sealer) Size(n int) int {
	switch s.format {
	case FormatRSA:
		return base64.StdEncoding.EncodedLen(s.rsa.Size())
	case FormatJWE:
		enc := base64.RawURLEncoding
		return s.prefixSize + enc.EncodedLen(ivSize) + 1 + enc.EncodedLen(n) + 1 + enc.EncodedLen(tagSize)
	default:
		return s.prefixSize + ivSize + n + tagSize
	}
}

// Seal appends the value of one record to dst, which must not overlap the plaintext.
// It allocates nothing if dst has a spare capacity of [Sealer.Size] bytes. The record
// must be written to the partition given, which must not be negative; the format rsa
// does not bind it. A message of more than [Sealer.MaxPlaintext] bytes gives
// [ErrTooLong] with both lengths. With an error, Seal returns dst unchanged.
//
// To send a record again, send its bytes again, but not after its data key has expired:
// then seal its message again, see [Sealer.SealDated]. Sealing the same message a second
// time makes another record.
//
// The record may be lean, if [SealerConfig] has such a policy. So write the records of a
// partition in the order in which they were sealed.
func (s *Sealer) Seal(dst, plaintext []byte, partition int32) ([]byte, error) {
	value, _, err := s.SealDated(dst, plaintext, partition, false)
	return value, err
}

// SealFull is Seal for a record that is never lean: one that may outlive the others, for
// example because it has a key in a compacted topic.
func (s *Sealer) SealFull(dst, plaintext []byte, partition int32) ([]byte, error) {
	value, _, err := s.SealDated(dst, plaintext, partition, true)
	return value, err
}

// SealDated is Seal, or SealFull if full is set, and also returns what is needed to send a
// record again: when its data key expires, and a way to open it.
func (s *Sealer) SealDated(dst, plaintext []byte, partition int32, full bool) (value []byte, sealed Sealed, err error) {
	if s.format == "" {
		return dst, sealed, fmt.Errorf("sealing a record: %w", errZeroSealer)
	}
	if got, limit := len(plaintext), s.MaxPlaintext(); got > limit {
		return dst, sealed, fmt.Errorf("sealing a record: %w: got %d bytes, limit %d", ErrTooLong, got, limit)
	}
	if s.format == FormatRSA {
		value, err = sealRSA(dst, plaintext, s.rsa)
		return value, sealed, err
	}
	if partition < 0 {
		return dst, sealed, fmt.Errorf("sealing a record: got partition %d, want 0 or more", partition)
	}
	sealed, counter, start, err := s.reserve(partition, len(plaintext), full)
	if err != nil {
		return dst, sealed, fmt.Errorf("sealing a record: %w", err)
	}
	key := sealed.key
	out := append(slices.Grow(dst, s.Size(len(plaintext))-s.prefixSize+len(start)), start...)
	if s.format == FormatJWE {
		return key.sealText(out, plaintext, partition, counter), sealed, nil
	}
	out = appendIV(out, partition, counter)
	return key.aead.Seal(out, out[len(out)-ivSize:], plaintext, key.aad), sealed, nil
}

// textChunk is a multiple of three bytes, so its base64 has no padding bits.
const textChunk = 3 << 8

// sealText appends IV, ciphertext and tag as text. To avoid a second buffer, it
// encrypts into the end of the text's space, and encodes from there to the front in
// chunks: the text never overwrites ciphertext that is not encoded yet.
func (k *dataKey) sealText(out, plaintext []byte, partition int32, counter uint64) []byte {
	enc := base64.RawURLEncoding
	size := len(plaintext)
	end := len(out) + enc.EncodedLen(ivSize) + 1 + enc.EncodedLen(size) + 1 + enc.EncodedLen(tagSize)
	buf := out[:end]
	at := end - size - tagSize
	// The raw IV stands before the ciphertext until it is encoded. An array on the
	// stack would escape to the heap.
	iv := appendIV(buf[:at-ivSize], partition, counter)[at-ivSize:]
	var chunk [textChunk]byte
	copy(chunk[:], iv)
	sealed := k.aead.Seal(buf[:at], iv, plaintext, k.aad)[at:]
	out = append(enc.AppendEncode(out, chunk[:ivSize]), '.')
	ciphertext := sealed[:size]
	tag := [tagSize]byte(sealed[size:])
	for len(ciphertext) > 0 {
		n := copy(chunk[:], ciphertext)
		out, ciphertext = enc.AppendEncode(out, chunk[:n]), ciphertext[n:]
	}
	return enc.AppendEncode(append(out, '.'), tag[:])
}
