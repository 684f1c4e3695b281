package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
)

// record is one record, split into its parts.
type record struct {
	*prefix            // nil for a foreign JWE and a lean record
	name    HeaderName // of a lean record's header
	iv      []byte
	sealed  []byte // ciphertext and tag
}

var (
	errNotBase64 = errors.New("a part is not base64url of the right length")
	errNegative  = errors.New("the partition is negative")
)

// parseBinary parses a record of the format envelope, full or lean; SPEC.md, section 5.
func parseBinary(value []byte) (record, error) {
	n, err := prefixLen(value)
	if err != nil {
		return record{}, err
	}
	r := record{iv: value[n : n+ivSize], sealed: value[n+ivSize:]}
	if isLean(value) {
		r.name = nameIn(value[:n])
	} else if r.prefix, err = parsePrefix(value[:n]); err != nil {
		return record{}, err
	}
	return r, r.checkIV()
}

// binary returns the record in the format envelope.
func (r *record) binary() []byte {
	return slices.Concat(r.prefix.binary(), r.iv, r.sealed)
}

// compactParts are the parts of a Compact Serialization (RFC 7516, section 7.1),
// still in base64url.
type compactParts struct {
	prefix                               []byte // header and wrapped key, with the dot between them
	header, wrapped, iv, ciphertext, tag []byte
}

func splitCompact(value []byte) (parts compactParts, ok bool) {
	parts.tag = value
	for _, part := range []*[]byte{&parts.header, &parts.wrapped, &parts.iv, &parts.ciphertext} {
		if *part, parts.tag, ok = bytes.Cut(parts.tag, []byte(".")); !ok {
			return parts, false
		}
	}
	parts.prefix = value[:len(parts.header)+1+len(parts.wrapped)]
	enc := base64.RawURLEncoding
	return parts, len(parts.header) <= enc.EncodedLen(maxHeader) && len(parts.wrapped) <= enc.EncodedLen(maxWrapped) &&
		len(parts.iv) == enc.EncodedLen(ivSize) && len(parts.tag) == enc.EncodedLen(tagSize)
}

// parsePrefix parses the header and the wrapped key. The prefix is nil for a
// foreign JWE.
func (c *compactParts) parsePrefix() (h *header, wrapped []byte, p *prefix, err error) {
	if h, err = parseHeader(c.header); err != nil {
		return nil, nil, nil, err
	}
	if wrapped, err = decodeWrapped(c.wrapped); err != nil {
		return nil, nil, nil, err
	}
	if h.native() {
		p, err = h.prefix([]recipient{{wrapped: wrapped}})
	}
	return h, wrapped, p, err
}

// parseCompact parses a compact JWE, native or foreign.
func parseCompact(value []byte) (record, *header, error) {
	parts, ok := splitCompact(value)
	if !ok {
		return record{}, nil, explainCompact(value)
	}
	h, _, p, err := parts.parsePrefix()
	if errors.Is(err, ErrUnsupported) { // only if the other parts are sound
		err = explainCompact(value)
	}
	if err != nil {
		return record{}, nil, err
	}
	r, err := newRecord(p, parts.iv, parts.ciphertext, parts.tag)
	return r, h, err
}

// newRecord decodes the parts that differ between the records of one data key.
func newRecord(p *prefix, iv, ciphertext, tag []byte) (record, error) {
	size := base64.RawURLEncoding.DecodedLen(len(ciphertext))
	r := record{prefix: p, iv: make([]byte, ivSize), sealed: make([]byte, size+tagSize)}
	if !decode(r.iv, iv) || !decode(r.sealed[:size], ciphertext) || !decode(r.sealed[size:], tag) {
		return record{}, errNotBase64
	}
	if p == nil {
		return r, nil
	}
	return r, r.checkIV()
}

// text returns the Compact Serialization for one recipient, or else the General JSON
// Serialization.
func (r *record) text() []byte {
	if len(r.recipients) > 1 {
		return r.generalJSON()
	}
	var dst []byte
	size := len(r.sealed) - tagSize
	for i, part := range [][]byte{r.header(), r.recipients[0].wrapped, r.iv, r.sealed[:size], r.sealed[size:]} {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = base64.RawURLEncoding.AppendEncode(dst, part)
	}
	return dst
}

// appendIV appends the IV of a native record: its partition and counter.
func appendIV(dst []byte, partition int32, counter uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(partition))
	return binary.BigEndian.AppendUint64(dst, counter)
}

// parseIV reverses appendIV. ok is false for a negative partition, which no
// sealer writes.
func parseIV(iv []byte) (partition int32, counter uint64, ok bool) {
	partition = int32(binary.BigEndian.Uint32(iv))
	return partition, binary.BigEndian.Uint64(iv[4:]), partition >= 0
}

func (r *record) checkIV() error {
	if _, _, ok := parseIV(r.iv); !ok {
		return errNegative
	}
	return nil
}

// b64 encodes canonical base64url without padding.
func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// decode decodes canonical base64url that fills dst exactly. The decoder skips line
// breaks. Text with a line break therefore decodes to too few bytes. The only
// exception, a length of one more than a multiple of four, is never valid.
func decode(dst, text []byte) bool {
	if len(text)%4 == 1 || base64.RawURLEncoding.DecodedLen(len(text)) != len(dst) {
		return false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(dst, text)
	return err == nil && n == len(dst)
}

// decodeWrapped decodes a wrapped data key.
func decodeWrapped(text []byte) ([]byte, error) {
	size := base64.RawURLEncoding.DecodedLen(len(text))
	if size < minWrapped || size > maxWrapped {
		return nil, errWrapped
	}
	wrapped := make([]byte, size)
	if !decode(wrapped, text) {
		return nil, errNotBase64
	}
	return wrapped, nil
}
