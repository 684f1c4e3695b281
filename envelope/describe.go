package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Description holds the parts of a record that are readable without a key. None of them
// is authenticated.
type Description struct {
	Format    Format
	Header    string   // the protected header, JSON; "" in the format rsa, and in lean records
	Lean      bool     // the record has only the name of its header: topic, keys, data key and signer are not in it
	Topic     string   // that it is bound to, if any
	Needs     []string // ids of the keys that open it, if it names them
	DataKey   string   // as in [Message], like the next three
	Partition int32
	Counter   uint64
	Counted   bool
	Signer    string // id of the signing key; "" if not signed
	Plaintext int    // length in bytes; -1 in the format rsa, which hides it
	Prefix    int    // length in the format envelope of the part that all records of its data key share
	// HeaderName is the name of the header in base64url, in the format envelope. Full and
	// lean records of the same data key have the same one.
	HeaderName string
}

// Describe reads a record of any format, including a foreign JWE. Its errors are
// those of [Convert]; with [ErrUnsupported] the description still has the format and,
// for a compact JWE, the header.
func Describe(value []byte) (Description, error) {
	if decodeBlock(value) != nil {
		return Description{Format: FormatRSA, Plaintext: -1}, nil
	}
	if recognize(value) == kindCompact {
		if r, h, err := parseCompact(value); err == nil && r.prefix == nil {
			return Description{
				Format: FormatJWE, Header: string(h.raw), Topic: h.text("topic"), Needs: h.needs(), Plaintext: len(r.sealed) - tagSize,
			}, nil
		}
	}
	r, k, err := parseNative(value)
	if err != nil {
		err = fmt.Errorf("describing a record: %w", err)
		if errors.Is(err, ErrUnsupported) {
			return describeUnsupported(value), err
		}
		return Description{}, err
	}
	if r.prefix == nil {
		d := Description{Format: FormatEnvelope, Lean: true, HeaderName: r.name.String(), Counted: true, Plaintext: len(r.sealed) - tagSize, Prefix: leanSize}
		d.Partition, d.Counter, _ = parseIV(r.iv)
		return d, nil
	}
	encoded := r.prefix.binary()
	d := Description{
		Format: FormatJWE, Header: string(r.header()), Topic: r.topic, Needs: r.needs(), DataKey: b64(r.commitment[:]), Counted: true,
		Plaintext: len(r.sealed) - tagSize, Prefix: len(encoded),
	}
	d.Partition, d.Counter, _ = parseIV(r.iv)
	if k == kindBinary {
		d.Format, d.HeaderName = FormatEnvelope, nameOf(encoded).String()
	}
	if r.signed {
		d.Signer = b64(r.signer[:])
	}
	return d, nil
}

// MessageSize returns the length of the message in a record of the format envelope, full or
// lean, or -1 if the record is not one. It looks only at lengths.
func MessageSize(value []byte) int {
	if recognize(value) != kindBinary {
		return -1
	}
	n, err := prefixLen(value)
	if err != nil {
		return -1
	}
	return len(value) - n - ivSize - tagSize
}

func describeUnsupported(value []byte) Description {
	d := Description{Format: FormatJWE, Plaintext: -1}
	header, _, compact := bytes.Cut(value, []byte("."))
	raw := make([]byte, min(base64.RawURLEncoding.DecodedLen(len(header)), maxHeader))
	if compact && decode(raw, header) && json.Valid(raw) {
		d.Header = string(raw)
	}
	return d
}
