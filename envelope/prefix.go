package envelope

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
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
	timeSize      = 8
	maxTime       = 253402300799 // the last second of the year 9999
	maxLifetime   = 24 * 60 * 60 // of a data key, in seconds

	commitmentDomain = headerType + " commitment\x00"
	signatureDomain  = headerType + " signature\x00"
)

// prefix is the part that all records of one data key share.
type prefix struct {
	topic      string
	commitment [idSize]byte
	issued     uint64 // when the data key was first used, in seconds since 1970
	expires    uint64 // until when its records may arrive
	signed     bool
	signer     [idSize]byte
	signature  [signatureSize]byte
	recipients []recipient
}

// recipient is a key that can open a record, and the data key wrapped for it.
type recipient struct {
	id      [idSize]byte
	wrapped []byte
}

// needs returns the identifiers of the keys that can open the records.
func (p *prefix) needs() []string {
	ids := make([]string, len(p.recipients))
	for i := range p.recipients {
		ids[i] = b64(p.recipients[i].id[:])
	}
	return ids
}

// commitTo hashes a data key and its recipients into the public name of the data
// key. The name binds all readers to both, because the cipher's tag covers no
// wrapped key.
func (p *prefix) commitTo(key []byte) [idSize]byte {
	return sha256.Sum256(p.appendRecipients(append([]byte(commitmentDomain), key...)))
}

// transcript returns the bytes that the sender signs: the header without the
// signature's value, and the recipients with their wrapped keys.
func (p *prefix) transcript() []byte {
	header := p.unsignedHeader()
	text := binary.BigEndian.AppendUint16([]byte(signatureDomain), uint16(len(header)))
	return p.appendRecipients(append(text, header...))
}

func (p *prefix) appendRecipients(dst []byte) []byte {
	dst = append(dst, byte(len(p.recipients)))
	for i := range p.recipients {
		r := &p.recipients[i]
		dst = append(dst, r.id[:]...)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.wrapped)))
		dst = append(dst, r.wrapped...)
	}
	return dst
}

// binary returns the prefix in the format envelope; SPEC.md, section 5.
func (p *prefix) binary() []byte {
	flags := byte(0)
	if p.signed {
		flags = 1
	}
	dst := []byte{versionByte, flags, byte(len(p.topic))}
	dst = append(dst, p.topic...)
	dst = append(dst, p.commitment[:]...)
	dst = binary.BigEndian.AppendUint64(dst, p.issued)
	dst = binary.BigEndian.AppendUint64(dst, p.expires)
	if p.signed {
		dst = append(dst, p.signer[:]...)
		dst = append(dst, p.signature[:]...)
	}
	return p.appendRecipients(dst)
}

// Errors of prefixLen are variables, so that a flood of broken records costs no
// memory.
var (
	errShort      = errors.New("the record is shorter than its lengths say")
	errFlags      = errors.New("unknown flags")
	errTopic      = fmt.Errorf("the topic name is not 1 to %d bytes long", maxTopic)
	errRecipients = fmt.Errorf("the number of recipients is not 1 to %d", maxReaders)
	errWrapped    = fmt.Errorf("a wrapped key is not %d to %d bytes long", minWrapped, maxWrapped)
)

// prefixLen finds the end of the prefix, or in a lean record of the name, from the
// lengths in it alone, so that a cached prefix costs no more than that. It checks each length before anything is
// copied: an accepted prefix has less than 18 KiB. At least an IV and a tag follow.
func prefixLen(value []byte) (int, error) {
	switch {
	case len(value) < 3:
		return 0, errShort
	case value[1] == leanFlags && len(value) < leanSize+ivSize+tagSize:
		return 0, errShort
	case value[1] == leanFlags:
		return leanSize, nil
	case value[1] > 1:
		return 0, errFlags
	case value[2] < 1 || value[2] > maxTopic:
		return 0, errTopic
	}
	at := 3 + int(value[2]) + idSize + 2*timeSize
	if value[1] != 0 {
		at += idSize + signatureSize
	}
	if at >= len(value) {
		return 0, errShort
	}
	left := value[at]
	if left < 1 || left > maxReaders {
		return 0, errRecipients
	}
	for at++; left > 0; left-- {
		if at+idSize+2 > len(value) {
			return 0, errShort
		}
		size := int(binary.BigEndian.Uint16(value[at+idSize:]))
		if size < minWrapped || size > maxWrapped {
			return 0, errWrapped
		}
		at += idSize + 2 + size
	}
	if len(value) < at+ivSize+tagSize {
		return 0, errShort
	}
	return at, nil
}

// parsePrefix parses as many bytes of a full record as [prefixLen] returned. The wrapped keys are not
// copied: nothing large is copied before the prefix is checked.
func parsePrefix(raw []byte) (*prefix, error) {
	p := &prefix{signed: raw[1] == 1, topic: string(raw[3 : 3+int(raw[2])])}
	rest := raw[3+len(p.topic):]
	rest = rest[copy(p.commitment[:], rest):]
	p.issued, p.expires = binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[timeSize:])
	rest = rest[2*timeSize:]
	if p.signed {
		rest = rest[copy(p.signer[:], rest):]
		rest = rest[copy(p.signature[:], rest):]
	}
	p.recipients = make([]recipient, rest[0])
	rest = rest[1:]
	for i := range p.recipients {
		r := &p.recipients[i]
		rest = rest[copy(r.id[:], rest):]
		end := 2 + int(binary.BigEndian.Uint16(rest))
		r.wrapped = rest[2:end:end]
		rest = rest[end:]
	}
	return p, p.check()
}

func (p *prefix) check() error {
	if err := checkTopic(p.topic); err != nil {
		return err
	}
	switch {
	case p.issued < 1 || p.expires > maxTime:
		return errors.New("a time is not in the years 1970 to 9999")
	case p.expires <= p.issued || p.expires-p.issued > maxLifetime:
		return fmt.Errorf("the data key expires before it is used, or more than %d seconds after", maxLifetime)
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
				return errors.New("duplicate recipient")
			}
		}
	}
	return nil
}

// checkTopic applies Kafka's rule for topic names. Such a name needs no escapes in
// JSON.
func checkTopic(topic string) error {
	if got := len(topic); got < 1 || got > maxTopic {
		return fmt.Errorf("got a topic name of %d bytes, want 1 to %d", got, maxTopic)
	}
	for i := range len(topic) {
		switch c := topic[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return errors.New("the topic name has a character other than letters, digits, '.', '_' and '-'")
		}
	}
	return nil
}

// dateOf returns a time of a checked prefix.
func dateOf(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() }
