// Package formats has the ways in which the demo can protect records: a record format, with or without a signature, and what
// its pods require of a record.
package formats

import (
	"fmt"
	"slices"
	"strings"

	"kafka-e2ee/envelope"
)

// Format is how records are protected: a record format, and what the lab adds to it.
type Format string

// The formats.
const (
	RSA = Format(envelope.FormatRSA) // no signature, no policy: it can have neither
	// Unsigned is the format envelope without a signature, in pods without a policy.
	Unsigned Format = "envelope-unsigned"
	Envelope        = Format(envelope.FormatEnvelope) // signed, in pods with the strict policy
	JWE             = Format(envelope.FormatJWE)      // signed, in pods that know the sender and have no policy
)

// Find returns the format of that name.
func Find(name string) (Format, error) {
	all := []string{string(RSA), string(Unsigned), string(Envelope), string(JWE)}
	if !slices.Contains(all, name) {
		return "", fmt.Errorf("the format %q is not known (hint: %s)", name, strings.Join(all, ", "))
	}
	return Format(name), nil
}

// Records returns the format of the records.
func (f Format) Records() envelope.Format {
	if f == Unsigned {
		return envelope.FormatEnvelope
	}
	return envelope.Format(f)
}

// Label returns the name that people read, on the console and in the terminal. Commands take the format itself.
func (f Format) Label() string {
	switch f {
	case Unsigned:
		return "envelope, unsigned"
	case Envelope:
		return "envelope, signed"
	default:
		return string(f)
	}
}

// Signed reports whether the producer signs its records.
func (f Format) Signed() bool { return f == Envelope || f == JWE }

// Strict reports whether the pods reject what proves too little.
func (f Format) Strict() bool { return f == Envelope }
