package envelope

import (
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// outcome is what became of one prefix: a data key, or why there is none. It
// says nothing of a record, which has yet to prove that it belongs to it.
type outcome struct {
	prefix    string
	once      sync.Once
	malformed bool
	topic     string // that it names
	err       error
	aead      cipher.AEAD
	aad       []byte
	msg       Message // what all its records have in common
}

// generation is how many prefixes are remembered before the older half goes.
const generation = 256

// outcomes remembers prefixes: those of the present generation and, until it is
// full, of the one before. Whatever is in use moves on to the next. Reading
// takes no lock; a new one costs a copy of the map, which is little beside the
// private-key operation that follows.
type outcomes struct {
	last  atomic.Pointer[outcome] // most often it is the same again, and comparing costs less than hashing
	young atomic.Pointer[map[string]*outcome]
	mu    sync.Mutex
	old   map[string]*outcome
}

func (c *outcomes) of(prefix []byte) *outcome {
	if last := c.last.Load(); last != nil && last.prefix == string(prefix) {
		return last
	}
	found := (*c.young.Load())[string(prefix)]
	if found == nil {
		found = c.add(prefix)
	}
	c.last.Store(found)
	return found
}

func (c *outcomes) add(prefix []byte) *outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	young := *c.young.Load()
	if found := young[string(prefix)]; found != nil {
		return found
	}
	found := c.old[string(prefix)]
	if found == nil {
		found = &outcome{prefix: string(prefix)}
	}
	if len(young) >= generation {
		c.old, young = young, nil
	}
	next := maps.Clone(young)
	if next == nil {
		next = make(map[string]*outcome)
	}
	next[found.prefix] = found
	c.young.Store(&next)
	return found
}

func (f *outcome) fromBinary(ring *keyring, trusted map[[idSize]byte]TrustedSender, raw []byte) {
	p, err := parsePrefix(raw)
	if err != nil {
		f.malformed = true
		return
	}
	f.fromPrefix(ring, trusted, p)
}

func (f *outcome) fromCompact(ring *keyring, trusted map[[idSize]byte]TrustedSender, parts compact) {
	wrapped, err := decodeWrapped(parts.wrapped)
	if err != nil {
		f.malformed = true
		return
	}
	h, err := parseHeader(parts.header)
	switch {
	case err != nil:
		f.malformed = true
	case h.ours():
		p, err := h.prefix([]recipient{{wrapped: wrapped}})
		if err != nil {
			f.malformed = true
			return
		}
		f.fromPrefix(ring, trusted, p)
	default:
		f.fromOthers(ring, h, wrapped, parts.header)
	}
}

// fromPrefix opens a data key of ours. The first recipient counts whose key is
// held and gives the data key that the header is committed to.
func (f *outcome) fromPrefix(ring *keyring, trusted map[[idSize]byte]TrustedSender, p *prefix) {
	f.topic, f.aad = p.topic, []byte(b64(p.header()))
	f.msg = Message{DataKey: b64(p.commitment[:]), Counted: true, Bound: true}
	for _, r := range p.recipients {
		f.msg.Needs = append(f.msg.Needs, b64(r.id[:]))
	}
	committed := func(key []byte) bool {
		got := p.commitTo(key)
		return subtle.ConstantTimeCompare(got[:], p.commitment[:]) == 1
	}
	if f.err = ring.lacks(f.msg.Needs); f.err != nil {
		return
	}
	f.err = ErrUndecryptable
	for i, r := range p.recipients {
		at := slices.Index(ring.ids, f.msg.Needs[i])
		if at >= 0 && f.unwrap(ring.keys[at], r.wrapped, committed) {
			f.msg.Sender = p.judge(trusted)
			return
		}
	}
}

// fromOthers opens the data key of a JWE without our type: SPEC.md, section 9.
func (f *outcome) fromOthers(ring *keyring, h *header, wrapped, text []byte) {
	f.topic, f.aad = h.text("topic"), slices.Clone(text)
	f.msg.Bound = f.topic != ""
	f.msg.Sender = Sender{State: SenderUnverified, Reason: ReasonUnsigned}
	f.msg.Needs = h.needs()
	if f.err = ring.lacks(f.msg.Needs); f.err != nil {
		return
	}
	f.err = ErrUndecryptable
	for _, key := range ring.keys {
		if f.msg.Needs != nil && key.id != f.msg.Needs[0] {
			continue
		}
		if f.unwrap(key, wrapped, func([]byte) bool { return true }) {
			return
		}
	}
}

// lacks reports whether there is no key to try.
func (k *keyring) lacks(needs []string) error {
	holds := func(id string) bool { return slices.Contains(k.ids, id) }
	switch {
	case len(k.keys) == 0:
		return ErrNoKey
	case len(needs) > 0 && !slices.ContainsFunc(needs, holds):
		return ErrUnknownKey
	}
	return nil
}

func (f *outcome) unwrap(key ringKey, wrapped []byte, committed func(key []byte) bool) bool {
	if len(wrapped) != key.private.Size() {
		return false
	}
	raw, err := rsa.DecryptOAEP(sha256.New(), nil, key.private, wrapped, nil)
	if err != nil || len(raw) != 32 || !committed(raw) {
		return false
	}
	defer clear(raw)
	if f.aead, err = newGCM(raw); err != nil {
		return false
	}
	f.msg.KeyID, f.err = key.id, nil
	return true
}

// decodeWrapped decodes a wrapped key of a text.
func decodeWrapped(text []byte) ([]byte, error) {
	wrapped := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	if got := len(wrapped); got < minWrapped || got > maxWrapped || !decode(wrapped, text) {
		return nil, ErrMalformed
	}
	return wrapped, nil
}
