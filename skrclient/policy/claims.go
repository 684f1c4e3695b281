package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json" // refuses duplicate names, which encoding/json accepts
)

// Claims is the payload of a token. Numbers keep their spelling (json.Number of go-jose).
type Claims map[string]any

// ParseClaims reads one JSON object.
func ParseClaims(payload []byte) (Claims, error) {
	var claims Claims
	if err := decode(payload, &claims); err != nil || claims == nil {
		return nil, errors.New("parsing claims: want one JSON object without duplicate names")
	}
	return claims, nil
}

// Text returns the text that a policy compares with the claim: the boolean true equals "true". Objects, lists, null and
// missing claims have none.
func (c Claims) Text(name string) (text string, comparable bool) {
	value, _ := c.lookup(name)
	return plain(value)
}

// Time reads a NumericDate (RFC 7519 section 2). It is zero if there is none.
func (c Claims) Time(name string) time.Time {
	number, ok := c[name].(json.Number)
	seconds, err := number.Float64()
	if !ok || err != nil || seconds < 1 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// lookup finds a claim by its name. If there is none, it follows the part before the first dot into an object.
func (c Claims) lookup(name string) (any, bool) {
	if value, found := c[name]; found {
		return value, true
	}
	first, rest, dotted := strings.Cut(name, ".")
	inner, isObject := c[first].(map[string]any)
	if !dotted || !isObject {
		return nil, false
	}
	return Claims(inner).lookup(rest)
}

func plain(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

// decode reads exactly one document.
func decode(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.SetNumberType(json.UnmarshalJSONNumber)
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}
