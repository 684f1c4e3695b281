package envelope

import (
	"crypto/cipher"
	"crypto/subtle"
)

// unwrapper finds the data key of a prefix, for a record found in a topic. It unwraps
// and caches new ones, unless the prefix names another topic: then no key is tried,
// so copies of other topics' records take no room in the cache.
type unwrapper struct {
	opener *Opener
	keys   *keyring // of the opener, as they were when the record came
	topic  string
	kept   string // the header that the caller kept for a lean record, or ""
}

// dataKeyEntry is the result of unwrapping one prefix: a data key, or the reason why
// there is none. It tells nothing about a record, whose own tag must still prove that
// the record belongs to the prefix.
type dataKeyEntry struct {
	keys   *keyring // with which it was unwrapped
	topic  string   // that the prefix names
	err    error
	aead   cipher.AEAD
	aad    []byte
	sender Sender  // who signed the prefix, even if it was not unwrapped
	msg    Message // the fields that all records of the data key share
}

// binary takes what a record in the format envelope starts with: a prefix, or the name of
// a header. The errors are [ErrMalformed] and, if the name is not known, [ErrNeedsHeader];
// nothing is cached for them.
func (u unwrapper) binary(start, iv []byte) (*dataKeyEntry, error) {
	header := u.opener.headers.find(start)
	if header != nil {
		if entry := header.heldBy(u.keys); entry != nil {
			return entry, nil
		}
	}
	if isLean(start) {
		if _, _, ok := parseIV(iv); !ok {
			return nil, ErrMalformed
		}
		switch {
		case header != nil:
			start = []byte(header.prefix)
		case u.kept != "" && nameOf([]byte(u.kept)) == nameIn(start):
			start = []byte(u.kept)
		default:
			return nil, &NeedsHeaderError{Name: nameIn(start)}
		}
	}
	p, err := parsePrefix(start)
	if err != nil {
		return nil, ErrMalformed
	}
	return u.native(start, p), nil
}

// compact takes a compact JWE, native or foreign.
func (u unwrapper) compact(parts compactParts) (*dataKeyEntry, error) {
	if header := u.opener.headers.find(parts.prefix); header != nil {
		if entry := header.heldBy(u.keys); entry != nil {
			return entry, nil
		}
	}
	h, wrapped, p, err := parts.parsePrefix()
	if err != nil {
		return nil, err
	}
	if p == nil {
		return u.foreign(parts.prefix, h, wrapped), nil
	}
	return u.native(parts.prefix, p), nil
}

func (u unwrapper) native(raw []byte, p *prefix) *dataKeyEntry {
	if p.topic != u.topic {
		return &dataKeyEntry{topic: p.topic, msg: Message{Needs: p.needs(), Counted: true}}
	}
	entry := &dataKeyEntry{keys: u.keys}
	return u.opener.headers.unwrap(raw, &u.opener.keys, entry, func() { entry.unwrapNative(u, p) })
}

func (u unwrapper) foreign(raw []byte, h *header, wrapped []byte) *dataKeyEntry {
	if topic := h.text("topic"); topic != "" && topic != u.topic {
		return &dataKeyEntry{topic: topic, msg: Message{Needs: h.needs()}}
	}
	entry := &dataKeyEntry{keys: u.keys}
	return u.opener.headers.unwrap(raw, &u.opener.keys, entry, func() { entry.unwrapForeign(u, h, wrapped) })
}

// unwrapNative unwraps a data key that this package made; SPEC.md, section 8.3. It
// uses the first recipient whose key is held and whose data key matches the commitment.
// The signature is verified first. If a sender is required, junk costs no more than that;
// and the header of a trusted sender is kept like one even if its key comes later.
func (e *dataKeyEntry) unwrapNative(u unwrapper, p *prefix) {
	e.topic = p.topic
	e.msg = Message{
		DataKey: b64(p.commitment[:]), Needs: p.needs(), Counted: true, Bound: true, IssuedAt: dateOf(p.issued), Expires: dateOf(p.expires),
	}
	committed := func(dataKey []byte) bool {
		got := p.commitTo(dataKey)
		return subtle.ConstantTimeCompare(got[:], p.commitment[:]) == 1
	}
	require := &u.opener.require
	e.sender = p.verifySender(u.opener.trusted)
	if require.requiresSender() {
		if e.err = require.checkSender(e.sender); e.err != nil {
			return
		}
	}
	if e.err = u.keys.missingKey(e.msg.Needs); e.err != nil {
		return
	}
	e.msg.OtherReaders = u.keys.others(e.msg.Needs)
	if e.err = require.checkReaders(e.msg.OtherReaders); e.err != nil {
		return
	}
	e.aad, e.err = []byte(b64(p.header())), ErrUndecryptable
	for i, r := range p.recipients {
		for _, key := range u.keys.keys {
			if key.id == e.msg.Needs[i] && e.unwrap(key, r.wrapped, committed) {
				e.msg.Sender = e.sender
				return
			}
		}
	}
}

// unwrapForeign unwraps the data key of a foreign JWE; SPEC.md, section 9. Without a
// key identifier in the header it tries every key.
func (e *dataKeyEntry) unwrapForeign(u unwrapper, h *header, wrapped []byte) {
	e.topic, e.aad = h.text("topic"), []byte(b64(h.raw))
	e.msg = Message{Needs: h.needs(), Bound: e.topic != "", Sender: Sender{State: SenderUnverified, Reason: ReasonUnsigned}}
	if u.opener.require.requiresSender() {
		e.err = errRejectedUnsigned
		return
	}
	if e.err = u.keys.missingKey(e.msg.Needs); e.err != nil {
		return
	}
	e.err = ErrUndecryptable
	for _, key := range u.keys.keys {
		if e.msg.Needs != nil && key.id != e.msg.Needs[0] {
			continue
		}
		if e.unwrap(key, wrapped, func([]byte) bool { return true }) {
			return
		}
	}
}

// unwrap decrypts a data key and makes its cipher, if the data key is acceptable.
func (e *dataKeyEntry) unwrap(key heldKey, wrapped []byte, accept func(dataKey []byte) bool) bool {
	raw, err := key.decrypt(wrapped)
	if err != nil || len(raw) != dataKeySize || !accept(raw) {
		return false
	}
	defer clear(raw)
	if e.aead, err = newGCM(raw); err != nil {
		return false
	}
	e.msg.KeyID, e.err = key.id, nil
	return true
}
