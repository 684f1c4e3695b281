package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// looks is what a value looks like, before anything of it is checked.
type looks int

const (
	looksPlain looks = iota
	looksRSA
	looksBinary
	looksCompact
	looksJSON
)

// recognize follows SPEC.md, section 8.1.
func recognize(value []byte) looks {
	switch {
	case len(value) == 0:
		return looksPlain
	case value[0] == versionByte:
		return looksBinary
	case value[0] == 'e' && isCompact(value):
		return looksCompact
	case value[0] == '{':
		if bytes.HasPrefix(value, []byte(jsonStart+"ey")) {
			return looksJSON
		}
		return looksPlain
	case !isBase64(value):
		return looksPlain
	case len(value) > longestText:
		return looksRSA // every record of it is longer than that
	}
	return looksPlain
}

// isCompact also takes what is left of a damaged JWE, so that nobody takes it
// for text. A JSON Web Signature has two dots, and no "enc" in its header.
func isCompact(value []byte) bool {
	if len(value) < 3 || value[1] != 'y' && value[1] != 'w' {
		return false
	}
	dots := bytes.Count(value, []byte("."))
	if value[1] == 'y' && value[2] == 'J' {
		return dots >= 4 || namesCipher(value)
	}
	return dots == 4 && !bytes.ContainsFunc(value, func(c rune) bool { return c != '.' && !isBase64URL(c) })
}

// namesCipher looks for "enc" in what may be a header, perhaps cut short or with
// its end damaged.
func namesCipher(value []byte) bool {
	end := bytes.IndexFunc(value, func(c rune) bool { return !isBase64URL(c) })
	if end < 0 {
		end = len(value)
	}
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(end))
	n, err := base64.RawURLEncoding.Decode(raw, value[:end/4*4])
	return err == nil && bytes.Contains(raw[:n], []byte(`"enc"`))
}

func isBase64URL(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// maxHeaderText is how long base64url of the longest header is.
const maxHeaderText = (maxHeader*8 + 5) / 6

// compact is a Compact Serialization (RFC 7516, section 7.1), still in base64url.
type compact struct {
	prefix                         []byte // header and wrapped key, with the dot between them
	header, wrapped, iv, text, tag []byte
}

func splitCompact(value []byte) (parts compact, ok bool) {
	var found [5]bool
	rest := value
	parts.header, rest, found[0] = bytes.Cut(rest, []byte("."))
	parts.wrapped, rest, found[1] = bytes.Cut(rest, []byte("."))
	parts.iv, rest, found[2] = bytes.Cut(rest, []byte("."))
	parts.text, parts.tag, found[3] = bytes.Cut(rest, []byte("."))
	if !found[3] || len(parts.header) > maxHeaderText || len(parts.wrapped) > (maxWrapped*8+5)/6 {
		return parts, false
	}
	parts.prefix = value[:len(parts.header)+1+len(parts.wrapped)]
	enc := base64.RawURLEncoding
	return parts, len(parts.iv) == enc.EncodedLen(ivSize) && len(parts.tag) == enc.EncodedLen(tagSize)
}

// record is one of ours, taken apart.
type record struct {
	*prefix
	iv     []byte
	sealed []byte // cipher text and tag
}

func parseBinary(value []byte) (record, error) {
	n := prefixLen(value)
	if n == 0 || len(value) < n+ivSize+tagSize {
		return record{}, errors.New("it is too short for its lengths")
	}
	p, err := parsePrefix(value[:n])
	r := record{prefix: p, iv: value[n : n+ivSize], sealed: value[n+ivSize:]}
	if err == nil {
		err = r.checkIV()
	}
	return r, err
}

// checkIV refuses what no writer writes: partitions are not negative.
func (r *record) checkIV() error {
	if r.iv[0] > 0x7F {
		return errors.New("the partition is negative")
	}
	return nil
}

func (r *record) binary() []byte {
	out := append(r.appendBinary(nil), r.iv...)
	return append(out, r.sealed...)
}

// parseCompact takes anybody's; the prefix of the record is nil if it is not ours.
func parseCompact(value []byte) (record, *header, error) {
	parts, ok := splitCompact(value)
	if !ok {
		return record{}, nil, errors.New("it has not five parts of the right length")
	}
	h, err := parseHeader(parts.header)
	if err != nil {
		return record{}, nil, err
	}
	wrapped, err := decodeWrapped(parts.wrapped)
	if err != nil {
		return record{}, nil, err
	}
	var p *prefix
	if h.ours() {
		if p, err = h.prefix([]recipient{{wrapped: wrapped}}); err != nil {
			return record{}, nil, err
		}
	}
	r, err := newRecord(p, parts.iv, parts.text, parts.tag)
	return r, h, err
}

// newRecord decodes the parts of one record's own.
func newRecord(p *prefix, iv, text, tag []byte) (record, error) {
	size := base64.RawURLEncoding.DecodedLen(len(text))
	r := record{prefix: p, iv: make([]byte, ivSize), sealed: make([]byte, size+tagSize)}
	if !decode(r.iv, iv) || !decode(r.sealed[:size], text) || !decode(r.sealed[size:], tag) {
		return record{}, errors.New("a part is not base64url of the right length")
	}
	if p == nil {
		return r, nil
	}
	return r, r.checkIV()
}

// appendText writes the Compact Serialization for one reader, else the General
// JSON Serialization.
func (r *record) appendText(dst []byte) []byte {
	enc := base64.RawURLEncoding
	text, tag := r.sealed[:len(r.sealed)-tagSize], r.sealed[len(r.sealed)-tagSize:]
	dot := "."
	if len(r.recipients) > 1 {
		return r.appendJSON(dst, text, tag)
	}
	dst = append(enc.AppendEncode(dst, r.header()), dot...)
	dst = append(enc.AppendEncode(dst, r.recipients[0].wrapped), dot...)
	dst = append(enc.AppendEncode(dst, r.iv), dot...)
	dst = append(enc.AppendEncode(dst, text), dot...)
	return enc.AppendEncode(dst, tag)
}
