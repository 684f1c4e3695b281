package envelope

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// leanFlags is the second byte of a lean record; SPEC.md, section 5.1.
const leanFlags = 2

const (
	nameSize = 16
	leanSize = 2 + nameSize // version, flags, name
)

// HeaderName names a header: the first 16 bytes of the SHA-256 of the prefix of its full
// records. A lean record has the name instead of the header.
type HeaderName [nameSize]byte

// String returns the name in base64url, 22 characters.
func (n HeaderName) String() string { return b64(n[:]) }

// ErrNeedsHeader means that the record is lean, and the opener has not read its header,
// or not lately. Every such error is a [*NeedsHeaderError].
var ErrNeedsHeader = errors.New("needs its header")

// NeedsHeaderError names the header that a lean record needs. The record opens once the
// opener has read a full record with this header, earlier or later in the partition.
// [Opener.FindHeaders] looks for one.
type NeedsHeaderError struct{ Name HeaderName }

func (e *NeedsHeaderError) Error() string {
	return fmt.Sprintf("%s: no full record with the header %s was read yet (hint: read earlier records of the partition)", ErrNeedsHeader, e.Name)
}

// Is makes the error match ErrNeedsHeader.
func (*NeedsHeaderError) Is(target error) bool { return target == ErrNeedsHeader }

// isLean reports whether a record of the format envelope claims to be lean.
func isLean(value []byte) bool { return len(value) > 1 && value[1] == leanFlags }

// nameOf returns the name of the header in a prefix.
func nameOf(prefix []byte) HeaderName {
	sum := sha256.Sum256(prefix)
	return HeaderName(sum[:nameSize])
}

// leanStart returns what stands in a lean record instead of a prefix.
func leanStart(name HeaderName) string {
	return string([]byte{versionByte, leanFlags}) + string(name[:])
}

// nameIn returns the name in what stands in a lean record instead of a prefix.
func nameIn(start []byte) HeaderName { return HeaderName(start[leanSize-nameSize : leanSize]) }

// AddHeader turns a lean record into a full one. The other record is any full record
// with the same header: the error is a [*NeedsHeaderError] if it has another one. It
// needs no key and checks no tag; the full record opens if and only if the lean one does.
// A record that is full already is returned as it is. The errors are otherwise those of
// [Convert].
func AddHeader(value, full []byte) ([]byte, error) {
	result, err := addHeader(value, full)
	if err != nil {
		return nil, fmt.Errorf("adding a header: %w", err)
	}
	return result, nil
}

func addHeader(value, full []byte) ([]byte, error) {
	lean, err := parseEnvelope(value)
	if err != nil || lean.prefix != nil {
		return value, err
	}
	with, err := parseEnvelope(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the record with the header: %w", err)
	case with.prefix == nil:
		return nil, errors.New("the other record is lean, too")
	}
	prefix := with.prefix.binary()
	if nameOf(prefix) != lean.name {
		return nil, &NeedsHeaderError{Name: lean.name}
	}
	return slices.Concat(prefix, value[leanSize:]), nil
}

// parseEnvelope parses a record of the format envelope, full or lean. The prefix of a
// lean one is nil.
func parseEnvelope(value []byte) (record, error) {
	if recognize(value) != kindBinary {
		return record{}, ErrNotEncrypted
	}
	r, err := parseBinary(value)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, err
}
