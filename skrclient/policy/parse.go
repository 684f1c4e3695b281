package policy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Parse reads
//
//	{"version":"1.0.0","anyOf":[{"authority":"https://HOST","allOf":[{"claim":"…","equals":"…"}]}]}
//
// It rejects everything unknown: a condition that it does not understand would go unchecked.
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
	var document any
	if err := decode(text, &document); err != nil {
		return Policy{}, errNoObject
	}
	fields, err := object(document, "version", "anyOf")
	if err != nil {
		return Policy{}, err
	}
	if fields["version"] != Version {
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

func parseAuthority(entry any) (Authority, error) {
	fields, err := object(entry, "authority", "anyOf", "allOf")
	if err != nil {
		return Authority{}, err
	}
	name, ok := fields["authority"].(string)
	if !ok {
		return Authority{}, errors.New("an entry names no authority")
	}
	u, err := url.Parse(strings.TrimSuffix(name, "/"))
	if err != nil || u.Host == "" || u.String() != "https://"+u.Host {
		return Authority{}, errors.New("an authority is not https://HOST")
	}
	condition, err := parseGroup(fields, 1)
	return Authority{URL: u.String(), Condition: condition}, err
}

// parseGroup reads the anyOf or the allOf of an object, which must have exactly one of the two.
func parseGroup(fields map[string]any, depth int) (Condition, error) {
	if depth > MaxDepth {
		return Condition{}, fmt.Errorf("conditions are nested more than %d deep", MaxDepth)
	}
	group, isAny := fields["anyOf"]
	allOf, isAll := fields["allOf"]
	if isAny == isAll {
		return Condition{}, errors.New("want either anyOf or allOf")
	}
	if isAll {
		group = allOf
	}
	parts, err := list(group)
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

func parseCondition(part any, depth int) (Condition, error) {
	fields, err := object(part)
	if err != nil {
		return Condition{}, err
	}
	if _, leaf := fields["claim"]; !leaf {
		if len(fields) != 1 {
			return Condition{}, errors.New("a condition is not exactly one of claim, anyOf and allOf")
		}
		return parseGroup(fields, depth+1)
	}
	claim, ok := fields["claim"].(string)
	if !ok || claim == "" {
		return Condition{}, errors.New("the name of a claim is not a text")
	}
	for name := range fields {
		if name != "claim" && name != "equals" {
			return Condition{}, fmt.Errorf("the operator %.40q is not supported, only \"equals\"", name)
		}
	}
	want, found := fields["equals"]
	if !found {
		return Condition{}, errors.New("a claim has no \"equals\"")
	}
	equals, ok := plain(want)
	if !ok || equals == "" {
		return Condition{}, errors.New("\"equals\" wants a text that is not empty, a number, true or false")
	}
	return Condition{Claim: claim, Equals: equals}, nil
}

var errNoObject = errors.New("want a JSON object")

// object returns the members of an object, and refuses other names than the given ones. Without names it accepts any.
func object(value any, names ...string) (map[string]any, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, errNoObject
	}
	for name := range fields {
		if len(names) > 0 && !slices.Contains(names, name) {
			return nil, fmt.Errorf("%.40q is not known", name)
		}
	}
	return fields, nil
}

func list(value any) ([]any, error) {
	parts, ok := value.([]any)
	if !ok || len(parts) == 0 {
		return nil, errors.New("anyOf and allOf want a list with at least one entry")
	}
	return parts, nil
}
