package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// OpenerConfig configures an opener.
type OpenerConfig struct {
	// TrustedSenders are the senders whose signatures verify a record; see
	// [ParseTrustedSenders]. A key that is not 32 bytes long verifies nothing.
	TrustedSenders []TrustedSender
	// Require is what a record must satisfy to be opened. The zero value requires
	// nothing.
	Require Requirements
}

// Validate checks the requirements. An opener takes no keys, so it opens nothing, if
// they are wrong; [Opener.SetKeys] returns the same error.
func (c *OpenerConfig) Validate() error {
	if err := c.Require.validate(c.trusted()); err != nil {
		return fmt.Errorf("checking the requirements: %w", err)
	}
	return nil
}

func (c *OpenerConfig) trusted() map[[idSize]byte]TrustedSender {
	trusted := make(map[[idSize]byte]TrustedSender)
	for _, sender := range c.TrustedSenders {
		if len(sender.Key) == ed25519.PublicKeySize {
			trusted[signingKeyID(sender.Key)] = sender
		}
	}
	return trusted
}

// Opener opens records with the keys it holds. It is safe for concurrent use. The zero
// value is an opener of the zero [OpenerConfig].
//
// It keeps the headers used last, because lean records lack them, and caches their data
// keys, so that each costs one private-key operation. New keys make it forget data keys,
// but no headers. Headers that a trusted sender signed and that have not expired, others
// that opened, and the rest are kept apart: each cache has room for 512 in at most 4 MiB,
// and none evicts another's entries. Together with what it caches for the format rsa, an
// opener takes at most 13 MiB. The process runs at most GOMAXPROCS private-key operations
// at a time, in the order of the requests; nothing else waits for them.
type Opener struct {
	trusted map[[idSize]byte]TrustedSender
	require Requirements
	invalid error // of the configuration
	keys    atomic.Pointer[keyring]
	headers headerCache
	setting sync.Mutex // held while keys are set
}

// NewOpener returns an opener that holds no key yet.
func NewOpener(cfg OpenerConfig) *Opener {
	o := &Opener{trusted: cfg.trusted(), require: cfg.Require, invalid: cfg.Validate()}
	o.require.Formats, o.require.SenderIDs = slices.Clone(cfg.Require.Formats), slices.Clone(cfg.Require.SenderIDs)
	o.require.ReaderIDs = slices.Clone(cfg.Require.ReaderIDs)
	return o
}

// keyring returns the keys held. The zero value of an opener holds none.
func (o *Opener) keyring() *keyring {
	if keys := o.keys.Load(); keys != nil {
		return keys
	}
	o.keys.CompareAndSwap(nil, new(keyring))
	return o.keys.Load()
}

// SetKeys replaces all keys atomically, so that no record is opened with a mix of old
// and new ones. Without arguments it drops them, together with the data keys that they opened. It
// checks each key like [ParsePrivateKey]; if one fails, nothing changes and the error
// says which and why. Setting the keys that are already held changes nothing.
// SetKeys does not write to the keys, and the caller must not write to them afterwards.
func (o *Opener) SetKeys(keys ...*rsa.PrivateKey) error {
	if o.invalid != nil {
		return o.invalid
	}
	next := &keyring{keys: make([]heldKey, len(keys))}
	for i, key := range keys {
		checked, err := checkedPrivateKey(key)
		if err != nil {
			return fmt.Errorf("setting key %d of %d: %w", i+1, len(keys), err)
		}
		next.keys[i] = heldKey{private: checked, id: KeyID(&checked.PublicKey)}
	}
	o.setting.Lock()
	defer o.setting.Unlock()
	now := o.keyring()
	if slices.EqualFunc(next.keys, now.keys, func(a, b heldKey) bool { return a.id == b.id }) {
		return nil
	}
	next.rememberKnown(now.known)
	o.keys.Store(next)
	o.headers.dropDataKeys()
	return nil
}

// CopyHeaders makes the opener know the headers that another one knows, so that it opens
// the same lean records with other keys. Both must have the same trusted senders.
func (o *Opener) CopyHeaders(other *Opener) { o.headers.copyFrom(&other.headers) }

// WithKeys returns an opener with the same configuration that holds these keys instead,
// for a caller that opens records again before it uses new keys. The keys that o holds or
// held count as held before.
func (o *Opener) WithKeys(keys ...*rsa.PrivateKey) (*Opener, error) {
	next := &Opener{trusted: o.trusted, require: o.require, invalid: o.invalid}
	next.keys.Store(&keyring{known: o.keyring().known})
	if err := next.SetKeys(keys...); err != nil {
		return nil, err
	}
	return next, nil
}

// KeyIDs returns the ids of the keys held, in the order in which they were set.
func (o *Opener) KeyIDs() []string {
	keys := o.keyring().keys
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.id
	}
	return ids
}

// Open opens the value of one record and appends the message to dst, which must not
// overlap the value. The topic is the one that the record must have been sealed for:
// the one in which it was found, or if that is a mirror with another name, the
// original.
//
// The error is one of [ErrNotEncrypted], [ErrMalformed], [ErrNoKey], [ErrUnknownKey]
// and [ErrUndecryptable], which carry nothing of the record, an [*UnsupportedError],
// which carries the names of algorithms, a [*NeedsHeaderError], which carries the name of
// a header, or a [*RejectedError], which carries ids of keys. With an error there is no
// plaintext, not even in the spare capacity of dst.
//
// Open recognizes the format; SPEC.md, section 8.1, has the rules in full:
//
//   - a first byte 0xC1 is the format envelope, and a second byte 2 a lean record;
//   - five parts of base64url between dots that start like a JSON object are a JWE,
//     and so is the General JSON Serialization as [Convert] writes it; other JWEs in
//     JSON give [ErrUnsupported];
//   - base64 of exactly 256, 384 or 512 bytes, in the canonical form of [FormatRSA], is
//     a record of that format; other base64 of more than 200 characters is malformed;
//   - everything else, and a null value, is not encrypted.
//
// A full record brings the header for the lean ones after it, even if it does not open.
// So read the records of a partition in the order of their offsets.
//
// A record that names another topic gives ErrUndecryptable. One that names none (the
// format rsa, and some foreign JWEs) opens and is not Bound.
func (o *Opener) Open(dst []byte, topic string, value []byte) (Message, error) {
	return o.OpenWith(dst, topic, value, "")
}

// OpenWith is Open for a lean record whose header was kept: see [Opener.HeaderOf]. The
// header has no effect if it is known already, or is not the record's.
func (o *Opener) OpenWith(dst []byte, topic string, value []byte, header string) (Message, error) {
	u := unwrapper{keys: o.keyring(), opener: o, topic: topic, kept: header}
	msg := Message{Sender: Sender{State: SenderUnchecked}} // filled in place: it is large
	k := recognize(value)
	if err := o.require.checkFormat(k); err != nil && value != nil {
		msg.Format = k.format()
		return msg, err
	}
	var err error
	switch k {
	case kindPlain:
		return msg, ErrNotEncrypted
	case kindRSA:
		err = u.openRSA(&msg, dst, value)
	case kindBinary:
		msg.Format = FormatEnvelope
		err = openBinary(&msg, u, dst, value)
	case kindCompact:
		msg.Format = FormatJWE
		err = openCompact(&msg, u, dst, value)
	case kindGeneralJSON:
		msg.Format = FormatJWE
		err = openGeneralJSON(&msg, u, dst, value)
	case kindForeignJSON:
		msg.Format = FormatJWE
		err = ErrMalformed
	}
	if errors.Is(err, ErrMalformed) {
		if reason := unsupported(k, value); reason != nil {
			err = reason
		}
	}
	return msg, err
}

func openBinary(msg *Message, u unwrapper, dst, value []byte) error {
	n, err := prefixLen(value)
	if err != nil {
		return ErrMalformed
	}
	iv := value[n : n+ivSize]
	entry, err := u.binary(value[:n], iv)
	if err != nil {
		return err
	}
	return entry.open(msg, u.topic, dst, iv, value[n+ivSize:])
}

// openCompact decodes the parts into the spare capacity of dst and decrypts there.
func openCompact(msg *Message, u unwrapper, dst, value []byte) error {
	parts, ok := splitCompact(value)
	if !ok {
		return ErrMalformed
	}
	size := base64.RawURLEncoding.DecodedLen(len(parts.ciphertext))
	start, end := len(dst), len(dst)+size+tagSize
	buf := slices.Grow(dst, size+tagSize+ivSize)[:end+ivSize]
	ciphertext, tag, iv := buf[start:start+size], buf[start+size:end], buf[end:]
	if !decode(ciphertext, parts.ciphertext) || !decode(tag, parts.tag) || !decode(iv, parts.iv) {
		return ErrMalformed
	}
	entry, err := u.compact(parts)
	if err != nil {
		return ErrMalformed
	}
	return entry.open(msg, u.topic, buf[:start], iv, buf[start:end])
}

func openGeneralJSON(msg *Message, u unwrapper, dst, value []byte) error {
	r, err := parseGeneralJSON(value)
	if err != nil {
		return ErrMalformed
	}
	return openBinary(msg, u, dst, r.binary())
}

// open decrypts one record. It copies what the prefix says into msg only after the
// record's own tag has proven that the record belongs to the prefix.
func (e *dataKeyEntry) open(msg *Message, topic string, dst, iv, sealed []byte) error {
	if err := e.check(topic, iv); err != nil {
		msg.Needs = e.msg.Needs
		return err
	}
	if dst == nil { // an empty message must not look like a null one
		dst = make([]byte, 0, len(sealed)-tagSize)
	}
	plaintext, err := e.aead.Open(dst, iv, sealed, e.aad)
	if err != nil {
		msg.Needs = e.msg.Needs
		return ErrUndecryptable
	}
	format := msg.Format
	*msg = e.msg
	msg.Format, msg.Plaintext = format, plaintext
	if msg.Counted {
		msg.Partition, msg.Counter, _ = parseIV(iv)
	}
	return nil
}

// check returns the error of a record that is known not to open, before decryption is
// tried.
func (e *dataKeyEntry) check(topic string, iv []byte) error {
	if _, _, ok := parseIV(iv); e.msg.Counted && !ok {
		return ErrMalformed
	}
	if e.topic != "" && e.topic != topic {
		return ErrUndecryptable
	}
	return e.err
}
