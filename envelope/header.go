package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kafka-e2ee/envelope/internal/strictjson"
)

// Limits and types of the protected header; SPEC.md, sections 4 and 8.2.
const (
	maxHeader  = 8 << 10      // bytes of JSON
	maxDepth   = 16           // of objects and arrays
	typeFamily = "kafka-e2ee" // prefix of the types of all versions, in any case
	headerType = typeFamily + "-v1"
)

var errForeignType = errors.New("the type is not " + headerType)

// header returns the protected header of a native record; SPEC.md, section 4. It is
// the only code that knows how the header is written.
func (p *prefix) header() []byte {
	text := p.unsignedHeader()
	if p.signed {
		text = fmt.Appendf(text[:len(text)-1], `,"signature":"%s"}`, b64(p.signature[:]))
	}
	return text
}

// unsignedHeader returns the header without the signature's value. No member needs
// JSON escapes, because [checkTopic] limits the characters of the topic.
func (p *prefix) unsignedHeader() []byte {
	text := []byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"`)
	if len(p.recipients) == 1 {
		text = fmt.Appendf(text, `,"kid":"%s"`, b64(p.recipients[0].id[:]))
	}
	text = fmt.Appendf(text, `,"typ":"%s","topic":"%s","commitment":"%s","iat":%d,"exp":%d`,
		headerType, p.topic, b64(p.commitment[:]), p.issued, p.expires)
	if p.signed {
		text = fmt.Appendf(text, `,"signer":"%s"`, b64(p.signer[:]))
	}
	return append(text, '}')
}

// header is the protected header of a JWE, native or foreign.
type header struct {
	raw     []byte // JSON
	members map[string]any
}

// parseHeader decodes a header and makes checks 12 to 14 of SPEC.md, section 8.2.
func parseHeader(text []byte) (*header, error) {
	size := base64.RawURLEncoding.DecodedLen(len(text))
	if size > maxHeader {
		return nil, fmt.Errorf("got a header of %d bytes, limit %d", size, maxHeader)
	}
	raw := make([]byte, size)
	if !decode(raw, text) {
		return nil, errNotBase64
	}
	members, err := strictjson.ParseObject(raw, maxDepth)
	if err != nil {
		return nil, fmt.Errorf("parsing the header: %w", err)
	}
	if err := checkAlgorithms(members); err != nil {
		return nil, err
	}
	h := &header{raw: raw, members: members}
	for _, name := range []string{"typ", "kid", "topic"} {
		if value, present := members[name]; present {
			if _, ok := value.(string); !ok || name == "topic" && value == "" {
				return nil, fmt.Errorf("the header's member %s is not a string, or is empty", name)
			}
		}
	}
	if !h.native() && inTypeFamily(members) {
		return nil, errors.New("the header has an unknown version")
	}
	return h, nil
}

// text returns a string member, or "".
func (h *header) text(name string) string {
	value, _ := h.members[name].(string) //nolint:errcheck // no string is ""
	return value
}

// number returns a member that is a decimal integer, or 0.
func (h *header) number(name string) uint64 {
	text, _ := h.members[name].(json.Number)             //nolint:errcheck // no number is ""
	value, _ := strconv.ParseUint(text.String(), 10, 64) //nolint:errcheck // prefix.check refuses 0
	return value
}

// native reports whether the header has the type that this package writes.
func (h *header) native() bool { return h.text("typ") == headerType }

func inTypeFamily(members map[string]any) bool {
	typ, _ := members["typ"].(string) //nolint:errcheck // no string is ""
	return strings.HasPrefix(strings.ToLower(typ), typeFamily)
}

// needs returns the key identifier that a foreign header names, or nil if its kid
// is not one.
func (h *header) needs() []string {
	var id [idSize]byte
	if kid := h.text("kid"); decode(id[:], []byte(kid)) {
		return []string{kid}
	}
	return nil
}

// prefix reads a native header. The header must be, to the byte, the one that
// [prefix.header] writes, so no other check is needed. A single recipient gets its
// identifier from it.
func (h *header) prefix(recipients []recipient) (*prefix, error) {
	p := &prefix{topic: h.text("topic"), issued: h.number("iat"), expires: h.number("exp"), recipients: recipients}
	_, p.signed = h.members["signature"]
	ok := decode(p.commitment[:], []byte(h.text("commitment")))
	if p.signed {
		ok = ok && decode(p.signer[:], []byte(h.text("signer"))) && decode(p.signature[:], []byte(h.text("signature")))
	}
	if len(recipients) == 1 {
		ok = ok && decode(recipients[0].id[:], []byte(h.text("kid")))
	}
	if !ok {
		return nil, errors.New("the header lacks a member, or a member has the wrong size")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if !bytes.Equal(p.header(), h.raw) {
		return nil, errors.New("the header is not in its canonical form")
	}
	return p, nil
}
