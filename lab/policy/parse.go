package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json" // refuses duplicate names, which encoding/json does not
)

// Parse reads a policy. Everything that it does not know makes it fail, since a
// condition that is not understood would be one that is not checked.
func Parse(text []byte) (Policy, error) {
	p, err := parse(text)
	if err != nil {
		return Policy{}, fmt.Errorf("parsing release policy: %w", err)
	}
	return p, nil
}

func parse(text []byte) (Policy, error) {
	if len(text) > MaxBytes {
		return Policy{}, fmt.Errorf("got %d bytes, limit %d", len(text), MaxBytes)
	}
	fields, err := object(text, "version", "anyOf")
	if err != nil {
		return Policy{}, err
	}
	if version, err := str(fields["version"]); err != nil || version != Version {
		return Policy{}, fmt.Errorf("the version is not %q", Version)
	}
	entries, err := list(fields["anyOf"])
	if err != nil {
		return Policy{}, err
	}
	var p Policy
	for _, entry := range entries {
		authority, err := parseAuthority(entry)
		if err != nil {
			return Policy{}, err
		}
		p.Authorities = append(p.Authorities, authority)
	}
	return p, nil
}

func parseAuthority(text []byte) (Authority, error) {
	fields, err := object(text, "authority", "anyOf", "allOf")
	if err != nil {
		return Authority{}, err
	}
	name, err := str(fields["authority"])
	if err != nil {
		return Authority{}, errors.New("an entry names no authority")
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Authority{}, errors.New("an authority is not https://HOST")
	}
	condition, err := parseGroup(fields, 1)
	return Authority{URL: "https://" + u.Host, Condition: condition}, err
}

// parseGroup reads the anyOf or the allOf of an object that has one of them.
func parseGroup(fields map[string]json.RawMessage, depth int) (Condition, error) {
	if depth > MaxDepth {
		return Condition{}, fmt.Errorf("conditions are nested more than %d deep", MaxDepth)
	}
	anyOf, isAny := fields["anyOf"]
	allOf, isAll := fields["allOf"]
	if isAny == isAll {
		return Condition{}, errors.New("want either anyOf or allOf")
	}
	text := allOf
	if isAny {
		text = anyOf
	}
	parts, err := list(text)
	if err != nil {
		return Condition{}, err
	}
	conditions := make([]Condition, len(parts))
	for i, part := range parts {
		if conditions[i], err = parseCondition(part, depth); err != nil {
			return Condition{}, err
		}
	}
	if isAny {
		return Condition{Any: conditions}, nil
	}
	return Condition{All: conditions}, nil
}

func parseCondition(text []byte, depth int) (Condition, error) {
	fields, err := object(text)
	if err != nil {
		return Condition{}, err
	}
	if _, leaf := fields["claim"]; !leaf {
		if len(fields) != 1 {
			return Condition{}, errors.New("a condition is not exactly one of claim, anyOf and allOf")
		}
		return parseGroup(fields, depth+1)
	}
	claim, err := str(fields["claim"])
	if err != nil || claim == "" {
		return Condition{}, errors.New("the name of a claim is not a text")
	}
	for name := range fields {
		if name != "claim" && name != "equals" {
			return Condition{}, fmt.Errorf("the operator %.40q is not supported, only \"equals\"", name)
		}
	}
	var want any
	if err := decode(fields["equals"], &want); err != nil {
		return Condition{}, errors.New("a claim has no \"equals\"")
	}
	equals, ok := plain(want)
	if !ok || equals == "" {
		return Condition{}, errors.New("\"equals\" wants a text that is not empty, a number, true or false")
	}
	return Condition{Claim: claim, Equals: equals}, nil
}

// Claims are the members of a token's payload, with numbers as they were written.
type Claims map[string]any

// ParseClaims reads one JSON object.
func ParseClaims(payload []byte) (Claims, error) {
	var claims Claims
	if err := decode(payload, &claims); err != nil || claims == nil {
		return nil, errors.New("parsing claims: not one JSON object")
	}
	return claims, nil
}

// lookup finds a claim by its name or, where none is called so, by following
// the name's first part up to a dot into an object.
func (c Claims) lookup(name string) (any, bool) {
	if value, there := c[name]; there {
		return value, true
	}
	first, rest, dotted := strings.Cut(name, ".")
	inner, isObject := c[first].(map[string]any)
	if !dotted || !isObject {
		return nil, false
	}
	return Claims(inner).lookup(rest)
}

// plain is the text with which a value is compared: true equals "true". Objects,
// lists and null have none.
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

// object reads an object that has no other members than the given ones, or any
// where none is given.
func object(text []byte, names ...string) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := decode(text, &fields); err != nil || fields == nil {
		return nil, errors.New("want a JSON object")
	}
	for name := range fields {
		if len(names) > 0 && !slices.Contains(names, name) {
			return nil, fmt.Errorf("%.40q is not known", name)
		}
	}
	return fields, nil
}

func list(text []byte) ([]json.RawMessage, error) {
	var parts []json.RawMessage
	if err := decode(text, &parts); err != nil || len(parts) == 0 {
		return nil, errors.New("anyOf and allOf want a list with at least one entry")
	}
	return parts, nil
}

func str(text []byte) (string, error) {
	var s *string
	if err := decode(text, &s); err != nil || s == nil {
		return "", errors.New("want a text")
	}
	return *s, nil
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
