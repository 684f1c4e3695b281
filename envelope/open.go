package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

// OpenerConfig says what an opener trusts.
type OpenerConfig struct {
	// TrustedSenders are those whose signatures verify a record's sender; see
	// [ParseTrustedSenders]. A key that is not 32 bytes long verifies nothing.
	TrustedSenders []TrustedSender
}

// Opener opens records with the keys it holds. It is safe for concurrent use.
// It remembers the data keys seen last, at least 256, so that the private-key
// operation is done once for each; opening with a known one takes no lock.
type Opener struct {
	trusted map[[idSize]byte]TrustedSender
	ring    atomic.Pointer[keyring]
}

// keyring is a set of keys and what was learned with them. It is replaced
// whole, so that nothing learned outlives its key.
type keyring struct {
	keys     []ringKey
	ids      []string
	outcomes outcomes
}

type ringKey struct {
	private *rsa.PrivateKey
	id      string
}

// NewOpener makes an opener that holds no key yet.
func NewOpener(cfg OpenerConfig) *Opener {
	o := &Opener{trusted: make(map[[idSize]byte]TrustedSender)}
	for _, sender := range cfg.TrustedSenders {
		if len(sender.Key) == ed25519.PublicKeySize {
			o.trusted[signingKeyID(sender.Key)] = sender
		}
	}
	o.ring.Store(newKeyring(nil))
	return o
}

func newKeyring(keys []ringKey) *keyring {
	k := &keyring{keys: keys, ids: make([]string, len(keys))}
	for i, key := range keys {
		k.ids[i] = key.id
	}
	k.outcomes.young.Store(new(map[string]*outcome))
	return k
}

// SetKeys replaces all keys at once, so that no record ever sees half a ring;
// without arguments it drops them, and the data keys that they opened. Each key
// is checked like one that [ParsePrivateKey] reads. If one is not sound,
// nothing changes and the error says which and why. It does not write to the
// keys, and neither may the caller from then on. Setting the keys that are held
// already changes nothing.
func (o *Opener) SetKeys(keys ...*rsa.PrivateKey) error {
	ring := make([]ringKey, len(keys))
	for i, key := range keys {
		own, err := checkedPrivateKey(key)
		if err != nil {
			return fmt.Errorf("setting key %d of %d: %w", i+1, len(keys), err)
		}
		ring[i] = ringKey{private: own, id: KeyID(&own.PublicKey)}
	}
	if next := newKeyring(ring); !slices.Equal(next.ids, o.ring.Load().ids) {
		o.ring.Store(next)
	}
	return nil
}

// KeyIDs lists the keys held, in the order in which they were set.
func (o *Opener) KeyIDs() []string { return slices.Clone(o.ring.Load().ids) }

// Open opens one record's value, found in the topic given, and appends the
// message to dst, which must not overlap the value. The error is one of
// [ErrNotEncrypted], [ErrMalformed], [ErrNoKey], [ErrUnknownKey] and
// [ErrUndecryptable], and carries nothing of the record. With an error there is
// no plaintext, not even in the room behind dst.
//
// The format is recognized from the value: a first byte 0xC1 is the format
// envelope; five parts of base64url between dots that start like a JSON object
// are a JWE, and so is the General JSON Serialization as [Convert] writes it. A
// value is a record of the format rsa if it is base64 of exactly
// 256, 384 or 512 bytes, written the one way that [FormatRSA] says. Other
// base64 of more than 200 characters (cut short, unpadded, wrapped in lines,
// base64url) looks like a record that was damaged. Everything else, and a null
// value, is not encrypted. SPEC.md, section 8, has it in full.
//
// A record that names another topic gives ErrUndecryptable. One that names none
// (the format rsa, and a JWE of others) opens and is not Bound.
func (o *Opener) Open(dst []byte, topic string, value []byte) (Message, error) {
	ring := o.ring.Load()
	msg := Message{Sender: Sender{State: SenderUnchecked}}
	var err error
	switch recognize(value) {
	case looksBinary:
		msg.Format = FormatEnvelope
		err = o.openBinary(&msg, ring, dst, topic, value)
	case looksCompact:
		msg.Format = FormatJWE
		err = o.openCompact(&msg, ring, dst, topic, value)
	case looksJSON:
		msg.Format = FormatJWE
		r, broken := parseJSON(value)
		if broken != nil {
			return msg, ErrMalformed
		}
		err = o.openBinary(&msg, ring, dst, topic, r.binary())
	case looksRSA:
		err = ErrMalformed
		if block := decodeBlock(value); block != nil {
			msg.Format = FormatRSA
			err = ring.openRSA(&msg, dst, block)
		}
	default:
		err = ErrNotEncrypted
	}
	return msg, err
}

// The message is filled in place: it is large beside what else there is to do.
func (o *Opener) openBinary(msg *Message, ring *keyring, dst []byte, topic string, value []byte) error {
	n := prefixLen(value)
	if n == 0 || len(value) < n+ivSize+tagSize {
		return ErrMalformed
	}
	found := ring.outcomes.of(value[:n])
	found.once.Do(func() { found.fromBinary(ring, o.trusted, value[:n]) })
	iv, sealed := value[n:n+ivSize], value[n+ivSize:]
	if err := found.refuses(topic, iv); err != nil {
		msg.Needs = found.msg.Needs
		return err
	}
	if dst == nil { // an empty message is not a null one
		dst = make([]byte, 0, len(sealed)-tagSize)
	}
	return found.open(msg, dst, iv, sealed)
}

// openCompact decodes into the room for the plaintext and decrypts it there.
func (o *Opener) openCompact(msg *Message, ring *keyring, dst []byte, topic string, value []byte) error {
	parts, ok := splitCompact(value)
	if !ok {
		return ErrMalformed
	}
	size := base64.RawURLEncoding.DecodedLen(len(parts.text))
	room := slices.Grow(dst, size+tagSize+ivSize)
	start, end := len(dst), len(dst)+size+tagSize
	text, tag, iv := room[start:start+size], room[start+size:end], room[end:end+ivSize]
	if !decode(text, parts.text) || !decode(tag, parts.tag) || !decode(iv, parts.iv) {
		return ErrMalformed
	}
	found := ring.outcomes.of(parts.prefix)
	found.once.Do(func() { found.fromCompact(ring, o.trusted, parts) })
	if err := found.refuses(topic, iv); err != nil {
		msg.Needs = found.msg.Needs
		return err
	}
	return found.open(msg, room[:start], iv, room[start:end])
}

// refuses says why a record does not open, before its own bytes are tried.
func (f *outcome) refuses(topic string, iv []byte) error {
	switch {
	case f.malformed, f.msg.Counted && binary.BigEndian.Uint32(iv) > math.MaxInt32:
		return ErrMalformed
	case f.topic != "" && f.topic != topic:
		return ErrUndecryptable
	}
	return f.err
}

// open fills in what the prefix told only after the record's own tag has proven
// that it belongs to it.
func (f *outcome) open(msg *Message, dst, iv, sealed []byte) error {
	plaintext, err := f.aead.Open(dst, iv, sealed, f.aad)
	if err != nil {
		msg.Needs = f.msg.Needs
		return ErrUndecryptable
	}
	format := msg.Format
	*msg = f.msg
	msg.Format, msg.Plaintext = format, plaintext
	if msg.Counted {
		msg.Partition = int32(binary.BigEndian.Uint32(iv)) //nolint:gosec // refuses has checked it
		msg.Counter = binary.BigEndian.Uint64(iv[4:])
	}
	return nil
}
