package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrUnsupported means that the record is an apparently complete JWE with a feature
// that this package does not accept. Every such error is an [*UnsupportedError] and
// also matches [ErrMalformed].
var ErrUnsupported = errors.New("unsupported encryption")

// UnsupportedReason tells what a JWE asks for.
type UnsupportedReason string

// The reasons of SPEC.md, section 8.2.
const (
	// UnsupportedAlgorithm: Alg and Enc are not RSA-OAEP-256 and A256GCM.
	UnsupportedAlgorithm UnsupportedReason = "algorithm"
	// UnsupportedExtension: the header has the member zip or crit.
	UnsupportedExtension UnsupportedReason = "extension"
	// UnsupportedSerialization: it is JSON. The Compact Serialization of the same
	// record opens.
	UnsupportedSerialization UnsupportedReason = "serialization"
)

const acceptedAlgorithms = "RSA-OAEP-256/A256GCM"

// UnsupportedError tells what a JWE asks for that is not accepted. The names come
// from whoever wrote the record and prove nothing. A name is empty unless it has at
// most 32 letters, digits and characters of "+-_./".
type UnsupportedError struct {
	Reason   UnsupportedReason
	Alg, Enc string
}

func (e *UnsupportedError) Error() string {
	switch {
	case e.Reason == UnsupportedExtension:
		return "encrypted with a header member, zip or crit, that is not accepted here (hint: write it without)"
	case e.Reason == UnsupportedSerialization:
		return "a JWE in JSON, which is not accepted here (hint: write the compact form)"
	case e.Alg == "" || e.Enc == "":
		return "encrypted with an algorithm that is not accepted here; wanted: " + acceptedAlgorithms
	}
	return fmt.Sprintf("encrypted with %s/%s, which is not accepted here; wanted: %s", e.Alg, e.Enc, acceptedAlgorithms)
}

// Is makes the error match ErrUnsupported and ErrMalformed.
func (*UnsupportedError) Is(target error) bool {
	return target == ErrUnsupported || target == ErrMalformed
}

// unsupported parses a malformed record again and returns its [*UnsupportedError],
// or nil if it is malformed for another reason.
func unsupported(k kind, value []byte) error {
	var reason error
	switch k {
	case kindCompact:
		reason = explainCompact(value)
	case kindGeneralJSON, kindForeignJSON:
		reason = explainJSON(value)
	default:
	}
	if err, ok := errors.AsType[*UnsupportedError](reason); ok {
		return err
	}
	return nil
}

// displayName returns the name of an algorithm if it is safe to show, else "".
func displayName(name string) string {
	const maxName = 32
	unsafe := func(r rune) bool { return !isBase64URL(r) && !strings.ContainsRune("+/.", r) }
	if len(name) > maxName || strings.ContainsFunc(name, unsafe) {
		return ""
	}
	return name
}

// checkAlgorithms makes check 13 of SPEC.md, section 8.2, on the header of a JWE, or
// on the joined headers of a JWE in JSON.
func checkAlgorithms(members map[string]any) error {
	alg, hasAlg := members["alg"].(string)
	enc, hasEnc := members["enc"].(string)
	_, hasZip := members["zip"]
	_, hasCrit := members["crit"]
	err := &UnsupportedError{Alg: displayName(alg), Enc: displayName(enc)}
	switch {
	case !hasAlg || !hasEnc:
		return errors.New("the header names no algorithms")
	case alg != "RSA-OAEP-256" || enc != "A256GCM":
		err.Reason = UnsupportedAlgorithm
	case hasZip || hasCrit:
		err.Reason = UnsupportedExtension
	default:
		return nil
	}
	if inTypeFamily(members) {
		return errors.New("the header does not have the algorithms and members of its type")
	}
	return err
}

// explainCompact returns why the parts of a compact JWE have the wrong sizes: it may
// use other algorithms, whose parts have other sizes.
func explainCompact(value []byte) error {
	errParts := errors.New("want five parts of the right length")
	if bytes.Count(value, []byte(".")) != 4 {
		return errParts
	}
	for part := range bytes.SplitSeq(value, []byte(".")) {
		if len(part)%4 == 1 || bytes.ContainsFunc(part, func(c rune) bool { return !isBase64URL(c) }) {
			return errNotBase64
		}
	}
	header, _, _ := bytes.Cut(value, []byte("."))
	if _, err := parseHeader(header); err != nil {
		return err
	}
	return errParts
}
