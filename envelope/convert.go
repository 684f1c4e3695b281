package envelope

import (
	"errors"
	"fmt"
)

// Convert turns a record of the format envelope into standard text, and such text
// back into a record of the format envelope. The text is the Compact Serialization
// for one reader, else the General JSON Serialization. Converting needs no key and
// checks no tag; there and back gives the same bytes.
//
// Text that cannot be converted back gives [ErrMalformed], and so does a foreign
// JWE, which has no binary form. A lean record gives [ErrNeedsHeader]: see [AddHeader].
// Other values, among them records of the format rsa, give [ErrNotEncrypted].
func Convert(value []byte) ([]byte, error) {
	r, k, err := parseNative(value)
	if err == nil && r.prefix == nil {
		err = &NeedsHeaderError{Name: r.name}
	}
	if err != nil {
		return nil, fmt.Errorf("converting a record: %w", err)
	}
	if k == kindBinary {
		return r.text(), nil
	}
	return r.binary(), nil
}

// parseNative parses a record of the formats envelope and jwe as this package writes
// them. A foreign JWE is an error. The prefix of a lean record is nil.
func parseNative(value []byte) (r record, k kind, err error) {
	k = recognize(value)
	switch k {
	case kindBinary:
		r, err = parseBinary(value)
	case kindCompact:
		if r, _, err = parseCompact(value); err == nil && r.prefix == nil {
			err = errForeignType
		}
	case kindGeneralJSON:
		if r, err = parseGeneralJSON(value); err != nil {
			if reason := unsupported(k, value); reason != nil {
				err = reason
			}
		}
	case kindForeignJSON:
		err = explainJSON(value)
	default:
		return r, k, ErrNotEncrypted
	}
	if err != nil && !errors.Is(err, ErrMalformed) {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, k, err
}
