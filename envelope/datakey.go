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
	"sync"
	"time"
)

const dataKeySize = 32

// Hold is the default of [Limits].
const Hold = 15 * time.Minute

// Limits tell when a data key is replaced. A zero field means its default.
type Limits struct {
	Records uint64        // 2^24 by default, at most 2^32
	Bytes   uint64        // of messages; 64 GiB by default, 16 MiB to 1 TiB
	Age     time.Duration // since the first record; one hour by default, at most 24 hours less Hold; in whole seconds
	// Hold is for how long a record may wait for the broker, at least: so long before a
	// data key expires, it seals its last record. 15 minutes by default, in whole seconds.
	Hold time.Duration
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
	if l.Hold == 0 {
		l.Hold = Hold
	}
	switch {
	case l.Records > 1<<32:
		return l, fmt.Errorf("got a limit of %d records, at most %d", l.Records, uint64(1)<<32)
	case l.Bytes < MaxMessage || l.Bytes > 1<<40:
		return l, fmt.Errorf("got a limit of %d bytes, want %d to %d", l.Bytes, MaxMessage, uint64(1)<<40)
	case l.Hold < 0 || l.Hold >= maxLifetime*time.Second:
		return l, fmt.Errorf("got a hold of %s, want a positive time of less than %s", l.Hold, maxLifetime*time.Second)
	case l.Age < 0 || l.Age > maxLifetime*time.Second || l.lifetime() > maxLifetime:
		return l, fmt.Errorf("got a limit of %s, want a positive time of at most %s", l.Age, maxLifetime*time.Second-l.Hold)
	}
	return l, nil
}

// lifetime returns how long a data key is valid, in seconds.
func (l Limits) lifetime() uint64 { return ceilSeconds(l.Age) + l.hold() }

// hold returns the hold in seconds.
func (l Limits) hold() uint64 { return ceilSeconds(l.Hold) }

func ceilSeconds(d time.Duration) uint64 { return uint64((d + time.Second - 1) / time.Second) }

// dataKey encrypts the records of one sealer until a limit is reached. The sealer's
// lock guards the counts.
type dataKey struct {
	parts  *prefix // complete once the key is in use
	prefix []byte  // as it stands in a full record
	lean   []byte  // what stands in its place in a lean one
	aad    []byte  // base64url of the header
	aead   cipher.AEAD

	records    uint64
	bytes      uint64
	partitions map[int32]*sealedPartition
}

// sealedPartition is what a data key has sealed for one partition.
type sealedPartition struct {
	counter uint64 // of the next record
	header  sentHeader
}

// usable reports whether the key may seal a message of this size at this time. A clock
// that was set back to before the first use ends the key, too.
func (k *dataKey) usable(size, now uint64, l Limits) bool {
	return k.records == 0 || k.records < l.Records && k.bytes+size <= l.Bytes &&
		k.parts.issued <= now && now < k.parts.expires-l.hold()
}

// reserve returns a counter that is never used again, even if its record is never
// written, the data key to use it with, and what the record starts with.
func (s *Sealer) reserve(partition int32, size int, full bool) (sealed Sealed, counter uint64, start []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.clock.read()
	if err != nil {
		return sealed, 0, nil, err
	}
	seconds := uint64(now.Unix())
	if !s.key.usable(uint64(size), seconds, s.limits) {
		if err := s.rotate(); err != nil {
			return sealed, 0, nil, err
		}
	}
	key := s.key
	switch key.records {
	case 0:
		s.generator.start(key, seconds, seconds+s.limits.lifetime())
	case 1: // not sooner: a sealer of a single record needs no second key
		s.prepareNext()
	}
	key.records++
	key.bytes += uint64(size)
	part := key.partitions[partition]
	if part == nil {
		part = new(sealedPartition)
		key.partitions[partition] = part
	}
	counter = part.counter
	part.counter++
	if start = key.lean; full || part.header.due(now, s.headers, len(key.prefix)) {
		full, start = true, key.prefix
	}
	part.header.add(full, now, len(start)+ivSize+size+tagSize)
	return Sealed{key, full}, counter, start, nil
}

// RepeatHeader makes the next record for each partition a full one. Call it if the last
// full record may not have arrived: after a record could not be sent or was given up, and
// when a transaction begins.
func (s *Sealer) RepeatHeader() {
	if s.format != FormatEnvelope {
		return // all records are full, or have no header
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range s.key.partitions {
		part.header = sentHeader{}
	}
}

// Stored tells the sealer that the log has stored a record in the partition that it was
// sealed for; see [HeaderPolicy.AwaitStored]. Call it for every record: it does nothing if
// that is not news.
func (s *Sealer) Stored(sealed Sealed, partition int32) {
	if !s.headers.AwaitStored || s.headers.Records == 1 || !sealed.full {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if part := s.key.partitions[partition]; part != nil && s.key == sealed.key {
		part.header.stored = true
	}
}

// NewDataKey makes the next record the first one of a new data key. Call it before messages
// are sealed again whose records were given up: their counters would be missed for ever.
func (s *Sealer) NewDataKey() error {
	if s.format == "" {
		return errZeroSealer
	}
	if s.format == FormatRSA {
		return nil // there are no data keys
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key.records == 0 {
		return nil
	}
	if err := s.rotate(); err != nil {
		return fmt.Errorf("making a data key: %w", err)
	}
	return nil
}

// prepareNext generates the next data key in the background, because wrapping it for
// many readers takes milliseconds.
func (s *Sealer) prepareNext() {
	if s.next == nil {
		next := sync.OnceValues(s.generator.generate)
		go func() { _, _ = next() }() //nolint:errcheck // rotate gets the error
		s.next = next
	}
}

// rotate replaces the data key.
func (s *Sealer) rotate() error {
	next := s.next
	if next == nil {
		next = s.generator.generate
	}
	s.next = nil
	key, err := next()
	if err != nil {
		return err
	}
	s.key = key
	return nil
}

// keyGenerator generates data keys for the same topic, readers and signer.
type keyGenerator struct {
	format  Format
	topic   string
	readers []*rsa.PublicKey
	ids     [][idSize]byte
	signing ed25519.PrivateKey
	signer  [idSize]byte
}

func newKeyGenerator(cfg SealerConfig) (*keyGenerator, error) {
	g := &keyGenerator{format: cfg.Format, topic: cfg.Topic, readers: slices.Clone(cfg.Readers)}
	for _, reader := range g.readers {
		id := keyID(reader)
		if slices.Contains(g.ids, id) {
			return nil, errors.New("duplicate public key")
		}
		g.ids = append(g.ids, id)
	}
	if cfg.SigningKey == nil {
		return g, nil
	}
	if got := len(cfg.SigningKey); got != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("got a signing key of %d bytes, want %d", got, ed25519.PrivateKeySize)
	}
	g.signing = slices.Clone(cfg.SigningKey)
	g.signer = signingKeyID(ed25519.PublicKey(g.signing[ed25519.SeedSize:]))
	return g, nil
}

// generate makes a data key; SPEC.md, section 7, steps 1 and 2.
func (g *keyGenerator) generate() (*dataKey, error) {
	raw := make([]byte, dataKeySize)
	defer clear(raw)
	rand.Read(raw) // never fails: see its documentation
	p := &prefix{topic: g.topic, signed: g.signing != nil, signer: g.signer, recipients: make([]recipient, len(g.readers))}
	for i, reader := range g.readers {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, reader, raw, nil)
		if err != nil {
			return nil, fmt.Errorf("wrapping a data key: %w", err)
		}
		p.recipients[i] = recipient{id: g.ids[i], wrapped: wrapped}
	}
	p.commitment = p.commitTo(raw)
	aead, err := newGCM(raw)
	if err != nil {
		return nil, err
	}
	return &dataKey{parts: p, aead: aead, partitions: make(map[int32]*sealedPartition)}, nil
}

// start dates and signs a data key at its first use; SPEC.md, section 7, step 3. It is
// made ahead of need, but its time must not start before.
func (g *keyGenerator) start(key *dataKey, issued, expires uint64) {
	p := key.parts
	p.issued, p.expires = issued, expires
	if p.signed {
		copy(p.signature[:], ed25519.Sign(g.signing, p.transcript()))
	}
	key.aad, key.prefix = g.encode(p)
	key.lean = []byte(leanStart(nameOf(key.prefix)))
}

// encode returns the additional data and the prefix of the records of a data key.
func (g *keyGenerator) encode(p *prefix) (aad, encoded []byte) {
	aad = []byte(b64(p.header()))
	if g.format == FormatJWE {
		return aad, []byte(string(aad) + "." + b64(p.recipients[0].wrapped) + ".")
	}
	return aad, p.binary()
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}
