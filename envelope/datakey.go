package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Limits say when a data key is replaced. A zero field means its default.
type Limits struct {
	Records uint64        // 2^24 by default, at most 2^32
	Bytes   uint64        // of messages; 64 GiB by default, 16 MiB to 1 TiB
	Age     time.Duration // since its first record; one hour by default; a timer tells, to the millisecond or so
}

func (l Limits) orDefaults() (Limits, error) {
	if l.Records == 0 {
		l.Records = 1 << 24
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Age == 0 {
		l.Age = time.Hour
	}
	switch {
	case l.Records > 1<<32:
		return l, fmt.Errorf("got a limit of %d records, at most %d", l.Records, uint64(1)<<32)
	case l.Bytes < MaxMessage || l.Bytes > 1<<40:
		return l, fmt.Errorf("got a limit of %d bytes, want %d to %d", l.Bytes, MaxMessage, uint64(1)<<40)
	case l.Age < 0:
		return l, fmt.Errorf("got a limit of %s, want a positive time", l.Age)
	}
	return l, nil
}

// dataKey encrypts the records of one sealer for a while. What is counted is
// guarded by the sealer's lock.
type dataKey struct {
	prefix []byte // as in the record
	aad    []byte // as for the cipher: base64url of the header
	aead   cipher.AEAD

	expired  *atomic.Bool // not in here, so that the timer keeps no key in memory
	timer    *time.Timer  // from the first record on
	records  uint64
	bytes    uint64
	counters map[int32]*uint64 // by partition: what the next record gets
}

func (k *dataKey) takes(size uint64, l Limits) bool {
	return k.records == 0 || k.records < l.Records && k.bytes+size <= l.Bytes && !k.expired.Load()
}

// begin starts the time that the key may be used. To ask the clock at every
// record would cost a fifth of what encrypting it does.
func (k *dataKey) begin(age time.Duration) {
	expired := k.expired
	k.timer = time.AfterFunc(age, func() { expired.Store(true) })
}

// next is the counter of the next record of a partition.
func (k *dataKey) next(partition int32) uint64 {
	counter := k.counters[partition]
	if counter == nil {
		counter = new(uint64)
		k.counters[partition] = counter
	}
	*counter++
	return *counter - 1
}

// reserve gives a counter that nobody else gets, even if its record is never
// written, and the data key to use it with.
func (s *Sealer) reserve(partition int32, size uint64) (*dataKey, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.key.takes(size, s.limits) {
		next, err := s.nextKey()
		if err != nil {
			return nil, 0, err
		}
		s.key.timer.Stop()
		s.key = next
	}
	key := s.key
	switch key.records {
	case 0:
		key.begin(s.limits.Age)
	case 1: // whoever seals one record only has no use for a second key
		s.beginSpare()
	}
	key.records++
	key.bytes += size
	return key, key.next(partition), nil
}

type madeKey struct {
	key *dataKey
	err error
}

// beginSpare has the next data key made while this one is used, since wrapping
// it for many readers takes milliseconds.
func (s *Sealer) beginSpare() {
	if s.spare != nil {
		return
	}
	spare := make(chan madeKey, 1)
	go func() {
		key, err := s.maker.make()
		spare <- madeKey{key, err}
	}()
	s.spare = spare
}

func (s *Sealer) nextKey() (*dataKey, error) {
	if s.spare == nil {
		return s.maker.make()
	}
	made := <-s.spare
	s.spare = nil
	return made.key, made.err
}

// keyMaker makes data keys that differ in nothing but the key.
type keyMaker struct {
	format  Format
	topic   string
	readers []*rsa.PublicKey
	ids     [][idSize]byte
	signing ed25519.PrivateKey
	signer  [idSize]byte
}

func newKeyMaker(cfg SealerConfig) (*keyMaker, error) {
	m := &keyMaker{format: cfg.Format, topic: cfg.Topic, readers: slices.Clone(cfg.Readers)}
	for _, reader := range m.readers {
		id := keyID(reader)
		if slices.Contains(m.ids, id) {
			return nil, errors.New("a public key is there twice")
		}
		m.ids = append(m.ids, id)
	}
	if cfg.SigningKey == nil {
		return m, nil
	}
	if got := len(cfg.SigningKey); got != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("got a signing key of %d bytes, want %d", got, ed25519.PrivateKeySize)
	}
	m.signing = slices.Clone(cfg.SigningKey)
	m.signer = signingKeyID(ed25519.PublicKey(m.signing[ed25519.SeedSize:]))
	return m, nil
}

// make follows SPEC.md, section 7, steps 1 to 3.
func (m *keyMaker) make() (*dataKey, error) {
	raw := make([]byte, 32)
	defer clear(raw)
	rand.Read(raw) // never fails: see its documentation
	p := &prefix{topic: m.topic, recipients: make([]recipient, len(m.readers))}
	for i, reader := range m.readers {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, reader, raw, nil)
		if err != nil {
			return nil, fmt.Errorf("wrapping a data key: %w", err)
		}
		p.recipients[i] = recipient{id: m.ids[i], wrapped: wrapped}
	}
	p.commitment = p.commitTo(raw)
	if m.signing != nil {
		p.signed, p.signer = true, m.signer
		copy(p.signature[:], ed25519.Sign(m.signing, p.transcript()))
	}
	aead, err := newGCM(raw)
	if err != nil {
		return nil, err
	}
	key := &dataKey{aad: []byte(b64(p.header())), aead: aead, expired: new(atomic.Bool), counters: make(map[int32]*uint64)}
	if m.format == FormatJWE {
		key.prefix = []byte(string(key.aad) + "." + b64(p.recipients[0].wrapped) + ".")
	} else {
		key.prefix = p.appendBinary(nil)
	}
	return key, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}
