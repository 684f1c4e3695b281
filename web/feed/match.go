package feed

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"kafka-e2ee/web/safetext"
)

// needle is a text in the forms in which a record can hold it.
type needle struct {
	exact []byte
	lower []byte // in lower case
	fold  []byte // in lower case and Unicode's form NFC
	coded bool   // can be part of base64
}

// minCoded is the shortest part of base64, in characters, that is searched for in the ciphertext of a decrypted record.
// The page shows that ciphertext in one place only, and a shorter word can be in it by chance.
const minCoded = 8

// needles returns the text and, if it looks copied from the page, also the original text, without the page's escapes
// and ellipses.
func needles(text string) []needle {
	texts := []string{text}
	if copied := safetext.Unmark(strings.Trim(text, "…")); copied != text && copied != "" {
		texts = append(texts, copied)
	}
	list := make([]needle, len(texts))
	for i, t := range texts {
		exact := []byte(t)
		list[i] = needle{exact: exact, lower: bytes.ToLower(exact), fold: folded(exact), coded: isBase64(t)}
	}
	return list
}

// folded returns a text in lower case and in one form: a letter with an accent equals the letter followed by the accent.
func folded(b []byte) []byte { return norm.NFC.Bytes(bytes.ToLower(norm.NFC.Bytes(b))) }

func isBase64(text string) bool {
	return strings.Trim(strings.TrimRight(text, "="), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") == ""
}

// inRecord reports whether the page shows the text in a record.
func (n needle) inRecord(r *Record) bool {
	return n.matches(r.Key) || n.matches(r.Shown()) || n.inStored(r) ||
		slices.ContainsFunc(r.Headers, func(h Header) bool { return n.matches([]byte(h.Key)) || n.matches(h.Value) })
}

// inStored searches the ciphertext of a decrypted record.
func (n needle) inStored(r *Record) bool {
	if r.State != StateDecrypted || !n.coded || len(n.exact) < minCoded {
		return false
	}
	if utf8.Valid(r.Stored) {
		return bytes.Contains(r.Stored, n.exact)
	}
	return n.inBase64(r.Stored)
}

// matches searches bytes as they are and as the page shows them.
func (n needle) matches(b []byte) bool {
	lower := bytes.ToLower(b)
	if bytes.Contains(lower, n.lower) {
		return true
	}
	if !utf8.Valid(b) {
		return n.coded && n.inBase64(b)
	}
	if !norm.NFC.IsNormal(b) {
		lower = folded(b)
	}
	return bytes.Contains(lower, n.fold)
}

// inBase64 searches the base64 of bytes, piece by piece.
func (n needle) inBase64(b []byte) bool {
	const piece = 3 << 10 // bytes: a multiple of 3, for whole groups of base64
	window := make([]byte, 0, len(n.exact)+base64.StdEncoding.EncodedLen(piece))
	for part := range slices.Chunk(b, piece) {
		overlap := min(len(n.exact)-1, len(window))
		window = append(window[:0], window[len(window)-overlap:]...)
		window = base64.StdEncoding.AppendEncode(window, part)
		if bytes.Contains(window, n.exact) {
			return true
		}
	}
	return false
}
