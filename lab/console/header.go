package console

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	"kafka-e2ee/envelope"
)

// header is how a record begins that names keys: what opens it, and often what proves its writer. Records of one data key
// have the same one. It is not encrypted.
type header struct {
	size    int // bytes of the value that it takes; 0: the record has none
	sum     [sha256.Size]byte
	readers int // for whom the data key is wrapped
	signed  bool
	lean    bool // there is only a name in its place: an earlier record has the header
}

// readHeader reads a stored value's header.
func readHeader(value []byte) header {
	d, err := envelope.Describe(value)
	if err != nil {
		return header{}
	}
	h := header{readers: len(d.Needs), signed: d.Signer != "", lean: d.Lean}
	switch {
	case d.Lean:
	case d.Format == envelope.FormatEnvelope:
		h.size = d.Prefix
	case d.Format == envelope.FormatJWE:
		h.size = compactHeader(value)
	}
	h.sum = sha256.Sum256(value[:h.size])
	return h
}

// compactHeader returns the size of the header and the wrapped key of a JWE in its compact form; 0 if it has another one.
func compactHeader(value []byte) int {
	first := bytes.IndexByte(value, '.')
	if value[0] == '{' || first < 0 {
		return 0
	}
	second := bytes.IndexByte(value[first+1:], '.')
	if second < 0 {
		return 0
	}
	return first + 1 + second + 1
}

// header says of a record that is shown without its header what was left out.
func (l localizer) header(h header) string {
	parts := l.T("stored.key")
	if h.readers > 1 {
		parts = l.T("stored.keys", "n", strconv.Itoa(h.readers))
	}
	if h.signed {
		parts = l.T("stored.signed", "parts", parts)
	}
	return l.T("stored.header", "n", strconv.Itoa(h.size), "parts", parts)
}
