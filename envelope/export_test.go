package envelope

import (
	"encoding/binary"
	"time"
)

// CachedPrefixes returns how many prefixes the opener caches, and the bytes they take.
func (o *Opener) CachedPrefixes() (prefixes, size int) {
	c := &o.headers
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[*knownHeader]bool)
	for _, level := range c.levels {
		for _, headers := range []map[string]*knownHeader{level.young, level.old} {
			for _, header := range headers {
				if !seen[header] {
					seen[header] = true
					prefixes++
					size += header.size()
				}
			}
		}
	}
	return prefixes, size
}

// CachedDataKeys returns how many data keys the opener caches.
func (o *Opener) CachedDataKeys() int {
	c := &o.headers
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[*dataKeyEntry]bool)
	for _, level := range c.levels {
		for _, headers := range []map[string]*knownHeader{level.young, level.old} {
			for _, header := range headers {
				if entry := header.dataKey.Load(); entry != nil && entry.aead != nil {
					seen[entry] = true
				}
			}
		}
	}
	return len(seen)
}

// Caches reports whether the opener caches the header of a record in the format
// envelope.
func (o *Opener) Caches(value []byte) bool {
	n, err := prefixLen(value)
	return err == nil && o.headers.find(value[:n]) != nil
}

// RememberKnown returns the ids that an opener knows after those before, with one more.
func RememberKnown(before []string, id string) []string {
	k := keyring{keys: []heldKey{{id: id}}}
	k.rememberKnown(before)
	return k.known
}

// BlockPrivateKeyOps keeps every private-key operation waiting until unblock is called.
func BlockPrivateKeyOps() (unblock func()) {
	for range cap(privateKeySem) {
		privateKeySem <- struct{}{}
	}
	return func() {
		for range cap(privateKeySem) {
			<-privateKeySem
		}
	}
}

// SetClock replaces the wall clock of a sealer.
func (s *Sealer) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.now, s.clock.precision = now, 0
	s.clock.fresh.Store(false)
}

// SetSlowClock is SetClock for a clock that is not read at each record.
func (s *Sealer) SetSlowClock(now func() time.Time) {
	s.SetClock(now)
	s.clock.precision = clockPrecision
}

// FailedBlocks returns how many blocks of the format rsa are cached as failed.
func (o *Opener) FailedBlocks() int {
	f := &o.keyring().failedBlocks
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.young) + len(f.old)
}

// AddFailedBlocks caches n blocks as failed.
func (o *Opener) AddFailedBlocks(n int) {
	var id [idSize]byte
	for i := range n {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		o.keyring().failedBlocks.add(id)
	}
}

// NextDataKey waits for the data key that is prepared ahead of need and returns its
// public name, or "" if none is.
func (s *Sealer) NextDataKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		return ""
	}
	key, err := s.next()
	if err != nil {
		panic(err)
	}
	return b64(key.parts.commitment[:])
}
