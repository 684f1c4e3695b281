package lab

import (
	"fmt"
	"slices"
	"strings"

	"kafka-e2ee/envelope"
)

// format is how records are protected: a record format, and what the lab adds to it.
type format string

const (
	formatRSA = format(envelope.FormatRSA) // no signature, no policy: it can have neither
	// formatUnsigned is the format envelope without a signature, in pods without a policy.
	formatUnsigned format = "envelope-unsigned"
	formatEnvelope        = format(envelope.FormatEnvelope) // signed, in pods with the strict policy
	formatJWE             = format(envelope.FormatJWE)      // signed, in pods that know the sender and have no policy
)

func checkFormat(name string) (format, error) {
	all := []string{string(formatRSA), string(formatUnsigned), string(formatEnvelope), string(formatJWE)}
	if !slices.Contains(all, name) {
		return "", fmt.Errorf("the format %q is not known (hint: %s)", name, strings.Join(all, ", "))
	}
	return format(name), nil
}

// records returns the format of the records.
func (f format) records() envelope.Format {
	if f == formatUnsigned {
		return envelope.FormatEnvelope
	}
	return envelope.Format(f)
}

func (f format) signed() bool { return f == formatEnvelope || f == formatJWE }

// strict reports whether the pods reject what proves too little.
func (f format) strict() bool { return f == formatEnvelope }
