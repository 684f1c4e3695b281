package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Convert turns a record of the format envelope into standard text, the Compact
// Serialization for one reader, else the General JSON Serialization, and such a
// text back, by what it reads. It needs no key and checks no tag. There and
// back gives the same bytes; a text that could not be had back gives
// [ErrMalformed], and so does a JWE of others, which has no binary form. Other
// values give [ErrNotEncrypted], also those of the format rsa.
func Convert(value []byte) ([]byte, error) {
	r, looked, err := parseRecord(value)
	switch {
	case err != nil:
		return nil, fmt.Errorf("converting a record: %w", err)
	case looked == looksBinary:
		return r.appendText(nil), nil
	default:
		return r.binary(), nil
	}
}

// parseRecord takes records of ours only.
func parseRecord(value []byte) (r record, looked looks, err error) {
	looked = recognize(value)
	switch looked {
	case looksBinary:
		r, err = parseBinary(value)
	case looksCompact:
		if r, _, err = parseCompact(value); err == nil && r.prefix == nil {
			err = errors.New("it has not the type " + headerType)
		}
	case looksJSON:
		r, err = parseJSON(value)
	default:
		return r, looked, ErrNotEncrypted
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, looked, err
}

// Description is what a record says of itself to anybody, without a key.
// Nothing of it is proven.
type Description struct {
	Format    Format
	Header    string   // the protected header, JSON; none in the format rsa
	Topic     string   // that it is bound to, if any
	Needs     []string // ids of the keys that open it, as far as it names them
	DataKey   string   // this and the following as in [Message]
	Partition int32
	Counter   uint64
	Counted   bool
	Signer    string // id of the signing key; empty if not signed
	Plaintext int    // length in bytes; -1 in the format rsa, which hides it
	Prefix    int    // bytes in the format envelope that all records of its data key have in common
}

// Describe reads a record of any format, also a JWE of others. For the errors
// see [Convert].
func Describe(value []byte) (Description, error) {
	if decodeBlock(value) != nil {
		return Description{Format: FormatRSA, Plaintext: -1}, nil
	}
	if recognize(value) == looksCompact {
		if r, h, err := parseCompact(value); err == nil && r.prefix == nil {
			return describeOthers(r, h), nil
		}
	}
	r, looked, err := parseRecord(value)
	if err != nil {
		return Description{}, fmt.Errorf("describing a record: %w", err)
	}
	d := Description{
		Format: FormatJWE, Header: string(r.header()), Topic: r.topic, DataKey: b64(r.commitment[:]), Counted: true,
		Partition: int32(binary.BigEndian.Uint32(r.iv)), //nolint:gosec // checked to be no more
		Counter:   binary.BigEndian.Uint64(r.iv[4:]),
		Plaintext: len(r.sealed) - tagSize, Prefix: len(r.appendBinary(nil)),
	}
	if looked == looksBinary {
		d.Format = FormatEnvelope
	}
	if r.signed {
		d.Signer = b64(r.signer[:])
	}
	for _, recipient := range r.recipients {
		d.Needs = append(d.Needs, b64(recipient.id[:]))
	}
	return d, nil
}

func describeOthers(r record, h *header) Description {
	return Description{
		Format: FormatJWE, Header: string(h.raw), Topic: h.text("topic"), Needs: h.needs(), Plaintext: len(r.sealed) - tagSize,
	}
}
