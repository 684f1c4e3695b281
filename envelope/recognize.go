package envelope

import (
	"bytes"
	"encoding/base64"
)

// kind is what a value looks like before any of it is checked.
type kind int

const (
	kindPlain       kind = iota // not encrypted
	kindRSA                     // long base64: a record of FormatRSA, intact or damaged
	kindBinary                  // a record of FormatEnvelope
	kindCompact                 // a JWE in the Compact Serialization
	kindGeneralJSON             // a native JWE in the General JSON Serialization
	kindForeignJSON             // a JWE in JSON by another library, which is never opened
)

// format returns the format of values that look so; "" if they are not encrypted.
func (k kind) format() Format {
	switch k {
	case kindRSA:
		return FormatRSA
	case kindBinary:
		return FormatEnvelope
	case kindCompact, kindGeneralJSON, kindForeignJSON:
		return FormatJWE
	case kindPlain:
	}
	return ""
}

// recognize tells what a value looks like; SPEC.md, section 8.1.
func recognize(value []byte) kind {
	switch {
	case len(value) == 0:
		return kindPlain
	case value[0] == versionByte:
		return kindBinary
	case value[0] == 'e' && isCompact(value):
		return kindCompact
	case bytes.HasPrefix(value, []byte(jsonStart+"ey")):
		return kindGeneralJSON
	case (value[0] == '{' || value[0] <= ' ') && isForeignJSON(value):
		return kindForeignJSON
	case len(value) > maxPlainBase64 && isBase64(value):
		return kindRSA
	}
	return kindPlain
}

// maxPlainBase64 is how many characters of base64 still pass for plain text.
// Every record of FormatRSA is longer.
const maxPlainBase64 = 200

// isCompact also accepts a damaged JWE, so that it never passes for plain text.
// A JSON Web Signature has two dots, and no "enc" in its header.
func isCompact(value []byte) bool {
	if len(value) < 3 || value[1] != 'y' && value[1] != 'w' {
		return false
	}
	dots := bytes.Count(value, []byte("."))
	if value[1] == 'y' && value[2] == 'J' {
		return dots >= 4 || mentionsEnc(value)
	}
	return dots == 4 && !bytes.ContainsFunc(value, func(c rune) bool { return c != '.' && !isBase64URL(c) })
}

// mentionsEnc reports whether a header, perhaps cut short or damaged at its end,
// contains "enc". It decodes in chunks, because a damaged header can be as long
// as the value.
func mentionsEnc(value []byte) bool {
	end := bytes.IndexFunc(value, func(c rune) bool { return !isBase64URL(c) })
	if end < 0 {
		end = len(value)
	}
	const member = `"enc"`
	var raw [len(member) - 1 + 3*512]byte
	kept := 0 // bytes kept from the previous chunk, in which the member may begin
	for text := value[:end/4*4]; len(text) > 0; {
		chunk := text[:min(len(text), 4*512)]
		text = text[len(chunk):]
		n, err := base64.RawURLEncoding.Decode(raw[kept:], chunk)
		if err != nil {
			return false
		}
		n += kept
		if bytes.Contains(raw[:n], []byte(member)) {
			return true
		}
		kept = copy(raw[:], raw[max(n-len(member)+1, 0):n])
	}
	return false
}

func isBase64URL(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// isBase64 reports whether a value uses only the alphabets of RFC 4648, sections 4
// and 5, and line breaks. Text ends the scan at its first space, so even a long
// one costs nothing.
func isBase64(value []byte) bool {
	return !bytes.ContainsFunc(value, func(c rune) bool {
		return !isBase64URL(c) && c != '+' && c != '/' && c != '=' && c != '\r' && c != '\n'
	})
}
