package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// The fixed text between the values of the General JSON Serialization (RFC 7516,
// section 7.2.1). Native records have exactly this form.
const (
	jsonStart      = `{"protected":"`
	jsonRecipients = `","recipients":[`
	jsonKeyID      = `{"header":{"kid":"`
	jsonWrapped    = `"},"encrypted_key":"`
	jsonIV         = `],"iv":"`
	jsonCiphertext = `","ciphertext":"`
	jsonTag        = `","tag":"`
	jsonEnd        = `"}`
)

var errJSONForm = errors.New("the JSON is not in its canonical form")

func (r *record) generalJSON() []byte {
	enc := base64.RawURLEncoding
	size := len(r.sealed) - tagSize
	dst := enc.AppendEncode([]byte(jsonStart), r.header())
	dst = append(dst, jsonRecipients...)
	for i, recipient := range r.recipients {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = enc.AppendEncode(append(dst, jsonKeyID...), recipient.id[:])
		dst = enc.AppendEncode(append(dst, jsonWrapped...), recipient.wrapped)
		dst = append(dst, jsonEnd...)
	}
	dst = enc.AppendEncode(append(dst, jsonIV...), r.iv)
	dst = enc.AppendEncode(append(dst, jsonCiphertext...), r.sealed[:size])
	dst = enc.AppendEncode(append(dst, jsonTag...), r.sealed[size:])
	return append(dst, jsonEnd...)
}

// cursor reads text that is fixed except for its values.
type cursor struct {
	rest   []byte
	broken bool
}

func (c *cursor) expect(literal string) {
	var ok bool
	if c.rest, ok = bytes.CutPrefix(c.rest, []byte(literal)); !ok {
		c.broken = true
	}
}

// value reads up to the next quotation mark. Base64url contains none.
func (c *cursor) value() []byte {
	end := bytes.IndexByte(c.rest, '"')
	if end < 0 {
		c.broken = true
		return nil
	}
	value := c.rest[:end]
	c.rest = c.rest[end:]
	return value
}

// parseGeneralJSON parses a native record in the General JSON Serialization.
func parseGeneralJSON(value []byte) (record, error) {
	c := &cursor{rest: value}
	c.expect(jsonStart)
	protected := c.value()
	c.expect(jsonRecipients)
	var recipients []recipient
	for !c.broken {
		c.expect(jsonKeyID)
		id := c.value()
		c.expect(jsonWrapped)
		wrapped, err := decodeWrapped(c.value())
		c.expect(jsonEnd)
		r := recipient{wrapped: wrapped}
		if err != nil || !decode(r.id[:], id) || len(recipients) == maxReaders {
			return record{}, errors.New("a recipient is broken, or there are too many")
		}
		recipients = append(recipients, r)
		if !bytes.HasPrefix(c.rest, []byte(",")) {
			break
		}
		c.expect(",")
	}
	c.expect(jsonIV)
	iv := c.value()
	c.expect(jsonCiphertext)
	ciphertext := c.value()
	c.expect(jsonTag)
	tag := c.value()
	c.expect(jsonEnd)
	if c.broken || len(c.rest) > 0 || len(recipients) < 2 {
		return record{}, errJSONForm
	}
	h, err := parseHeader(protected)
	if err != nil {
		return record{}, err
	}
	if !h.native() {
		return record{}, errForeignType
	}
	p, err := h.prefix(recipients)
	if err != nil {
		return record{}, err
	}
	return newRecord(p, iv, ciphertext, tag)
}
