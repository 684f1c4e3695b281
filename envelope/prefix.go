package envelope

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes and bounds of SPEC.md, sections 1 and 5.
const (
	versionByte   = 0xC1 // in no UTF-8 text
	idSize        = sha256.Size
	signatureSize = 64
	ivSize        = 12
	tagSize       = 16
	maxTopic      = 249
	maxReaders    = 16
	minWrapped    = minBits / 8
	maxWrapped    = maxBits / 8
	maxHeader     = 8 << 10 // bytes of JSON
	maxDepth      = 16      // of objects and arrays in it

	headerType       = "kafka-e2ee-v1"
	commitmentDomain = headerType + " commitment\x00"
	signatureDomain  = headerType + " signature\x00"
)

// prefix is what all records of one data key have in common.
type prefix struct {
	topic      string
	commitment [idSize]byte
	signed     bool
	signer     [idSize]byte
	signature  [signatureSize]byte
	recipients []recipient
}

type recipient struct {
	id      [idSize]byte
	wrapped []byte
}

// b64 is base64url without padding, in its one canonical spelling.
func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// commitTo hashes a data key, and for whom it is wrapped, into the public name
// that binds all readers to both: the cipher's tag covers no wrapped key.
func (p *prefix) commitTo(key []byte) [idSize]byte {
	return sha256.Sum256(p.appendRecipients(append([]byte(commitmentDomain), key...)))
}

// header is the protected header; SPEC.md, section 4.
func (p *prefix) header() []byte {
	json := p.unsignedHeader()
	if p.signed {
		json = fmt.Appendf(json[:len(json)-1], `,"signature":"%s"}`, b64(p.signature[:]))
	}
	return json
}

// unsignedHeader is the header without the signature's value. No member needs
// escapes: the topic's characters are limited.
func (p *prefix) unsignedHeader() []byte {
	json := []byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"`)
	if len(p.recipients) == 1 {
		json = fmt.Appendf(json, `,"kid":"%s"`, b64(p.recipients[0].id[:]))
	}
	json = fmt.Appendf(json, `,"typ":"%s","topic":"%s","commitment":"%s"`, headerType, p.topic, b64(p.commitment[:]))
	if p.signed {
		json = fmt.Appendf(json, `,"signer":"%s"`, b64(p.signer[:]))
	}
	return append(json, '}')
}

// transcript is what the sender signs: all of the header but the signature's
// value, and who can open it, with which wrapped keys.
func (p *prefix) transcript() []byte {
	header := p.unsignedHeader()
	text := binary.BigEndian.AppendUint16([]byte(signatureDomain), uint16(len(header))) //nolint:gosec // a few hundred
	return p.appendRecipients(append(text, header...))
}

func (p *prefix) appendRecipients(dst []byte) []byte {
	dst = append(dst, byte(len(p.recipients))) //nolint:gosec // at most maxReaders
	for i := range p.recipients {
		r := &p.recipients[i]
		dst = append(dst, r.id[:]...)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.wrapped))) //nolint:gosec // at most maxWrapped
		dst = append(dst, r.wrapped...)
	}
	return dst
}

// appendBinary is the prefix of the format envelope; SPEC.md, section 5.
func (p *prefix) appendBinary(dst []byte) []byte {
	flags := byte(0)
	if p.signed {
		flags = 1
	}
	dst = append(dst, versionByte, flags, byte(len(p.topic))) //nolint:gosec // at most maxTopic
	dst = append(dst, p.topic...)
	dst = append(dst, p.commitment[:]...)
	if p.signed {
		dst = append(dst, p.signer[:]...)
		dst = append(dst, p.signature[:]...)
	}
	return p.appendRecipients(dst)
}

// recipientsAt is where the recipients begin, by the first three bytes.
func recipientsAt(value []byte) int {
	at := 3 + int(value[2]) + idSize
	if value[1] != 0 {
		at += idSize + signatureSize
	}
	return at
}

// prefixLen finds the end of the prefix from its lengths alone, so that a known
// one costs no more than that. It returns 0 where the value is too short.
func prefixLen(value []byte) int {
	if len(value) < 3 {
		return 0
	}
	at := recipientsAt(value)
	if at >= len(value) || value[at] > maxReaders {
		return 0
	}
	left := value[at]
	for at++; left > 0; left-- {
		if at+idSize+2 > len(value) {
			return 0
		}
		at += idSize + 2 + int(binary.BigEndian.Uint16(value[at+idSize:]))
	}
	if at > len(value) {
		return 0
	}
	return at
}

// parsePrefix takes bytes whose length [prefixLen] has found. It copies what it
// keeps.
func parsePrefix(raw []byte) (*prefix, error) {
	p := &prefix{signed: raw[1] == 1, topic: string(raw[3 : 3+int(raw[2])])}
	if raw[1] > 1 {
		return nil, errors.New("unknown flags")
	}
	rest := raw[3+len(p.topic):]
	rest = rest[copy(p.commitment[:], rest):]
	if p.signed {
		rest = rest[copy(p.signer[:], rest):]
		rest = rest[copy(p.signature[:], rest):]
	}
	p.recipients = make([]recipient, rest[0])
	rest = rest[1:]
	for i := range p.recipients {
		r := &p.recipients[i]
		rest = rest[copy(r.id[:], rest):]
		size := int(binary.BigEndian.Uint16(rest))
		r.wrapped = bytes.Clone(rest[2 : 2+size])
		rest = rest[2+size:]
	}
	return p, p.check()
}

func (p *prefix) check() error {
	if err := checkTopic(p.topic); err != nil {
		return err
	}
	if got := len(p.recipients); got < 1 || got > maxReaders {
		return fmt.Errorf("got %d recipients, want 1 to %d", got, maxReaders)
	}
	for i, r := range p.recipients {
		if got := len(r.wrapped); got < minWrapped || got > maxWrapped {
			return fmt.Errorf("got a wrapped key of %d bytes, want %d to %d", got, minWrapped, maxWrapped)
		}
		for _, earlier := range p.recipients[:i] {
			if earlier.id == r.id {
				return errors.New("a recipient is there twice")
			}
		}
	}
	return nil
}

// checkTopic holds a name to Kafka's own rule for topics, so that it is the
// same in JSON as it is.
func checkTopic(topic string) error {
	if got := len(topic); got < 1 || got > maxTopic {
		return fmt.Errorf("got a topic's name of %d bytes, want 1 to %d", got, maxTopic)
	}
	for i := range len(topic) {
		switch c := topic[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return errors.New("the topic's name has a character other than letters, digits, '.', '_' and '-'")
		}
	}
	return nil
}
