package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"unicode/utf8"

	"kafka-e2ee/envelope/internal/strictjson"
)

// foreignJSON holds the members of another library's JWE in JSON (RFC 7516, section
// 7.2), unparsed. Such a JWE is recognized but never opened; the error names the
// serialization to use.
type foreignJSON struct {
	protected, unprotected, header, recipients []byte
	ciphertext, iv, tag                        []byte
}

var errNotJWE = errors.New("not a JWE")

// isForeignJSON reports whether a value is a JWE in JSON, with its members in any order
// and any white space between them. For other documents it only searches for one member
// name, or makes two passes if they contain it.
func isForeignJSON(value []byte) bool {
	return bytes.Contains(value, []byte(`"ciphertext"`)) && !errors.Is(explainJSON(value), errNotJWE)
}

// explainJSON tells why a value is not accepted: it is not a JWE, its structure is
// broken, or its serialization or algorithms are unsupported. It never returns nil,
// because [parseGeneralJSON] has read the only accepted form of JSON before.
func explainJSON(value []byte) error {
	jwe, ok := splitForeignJSON(value)
	if !ok {
		return errNotJWE
	}
	for _, text := range [][]byte{jwe.ciphertext, jwe.iv, jwe.tag} {
		if !isBase64URLString(text) {
			return errNotJWE
		}
	}
	members, err := jwe.headers()
	if err != nil {
		return err
	}
	if err := checkAlgorithms(members); err != nil {
		return err
	}
	if members["typ"] == headerType {
		return errJSONForm
	}
	return &UnsupportedError{Reason: UnsupportedSerialization, Alg: "RSA-OAEP-256", Enc: "A256GCM"}
}

// headers joins the headers that apply to the first recipient (RFC 7516, section
// 7.2.1). Together they must name alg and enc.
func (j *foreignJSON) headers() (map[string]any, error) {
	header := j.header
	if bytes.HasPrefix(j.recipients, []byte("[")) {
		for _, first := range elements(j.recipients) {
			header = nil
			for name, member := range elements(first) {
				if string(name) == "header" {
					header = member
				}
			}
			break
		}
	}
	var protected []byte
	if text := j.protected; isBase64URLString(text) && len(text)-2 <= base64.RawURLEncoding.EncodedLen(maxHeader) {
		protected = make([]byte, base64.RawURLEncoding.DecodedLen(len(text)-2))
		if !decode(protected, text[1:len(text)-1]) {
			return nil, errNotJWE
		}
	}
	all := make(map[string]any)
	for _, raw := range [][]byte{header, j.unprotected, protected} {
		if len(raw) == 0 || len(raw) > maxHeader {
			continue
		}
		members, err := strictjson.ParseObject(raw, maxDepth)
		if err != nil {
			return nil, errNotJWE
		}
		maps.Copy(all, members)
	}
	_, alg := all["alg"].(string)
	if _, enc := all["enc"].(string); !alg || !enc {
		return nil, errNotJWE
	}
	return all, nil
}

func splitForeignJSON(value []byte) (jwe foreignJSON, ok bool) {
	if !utf8.Valid(value) || !json.Valid(value) {
		return jwe, false
	}
	fields := map[string]*[]byte{
		"protected": &jwe.protected, "unprotected": &jwe.unprotected, "header": &jwe.header, "recipients": &jwe.recipients,
		"ciphertext": &jwe.ciphertext, "iv": &jwe.iv, "tag": &jwe.tag,
	}
	for name, member := range elements(value) {
		if field := fields[string(name)]; field != nil {
			*field = member
		}
	}
	return jwe, true
}

// isBase64URLString reports whether raw is a JSON string of base64url characters.
func isBase64URLString(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' {
		return false
	}
	return !bytes.ContainsFunc(raw[1:len(raw)-1], func(c rune) bool { return !isBase64URL(c) })
}

// elements yields the members of a JSON object, or the values of an array with empty
// names, all unparsed. The text must be valid JSON. Unlike a [json.Decoder] it
// allocates nothing for members that nobody wants, of which a record can have many.
func elements(text []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		var name []byte
		depth, start := 0, 0
		for at := 0; at < len(text); at++ {
			switch c := text[at]; c {
			case '"':
				for at++; text[at] != '"'; at++ {
					if text[at] == '\\' {
						at++
					}
				}
			case '{', '[':
				if depth++; depth == 1 {
					start = at + 1
				}
			case ':':
				if depth == 1 {
					name = bytes.TrimSpace(text[start:at])
					name, start = name[1:len(name)-1], at+1
				}
			case ',', '}', ']':
				if value := bytes.TrimSpace(text[start:at]); depth == 1 && len(value) > 0 {
					if !yield(name, value) {
						return
					}
					start = at + 1
				}
				if c != ',' {
					depth--
				}
			}
		}
	}
}
