package skrclient

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Limits of a release policy. The depth counts the anyOf and allOf inside each other.
const (
	MaxPolicyBytes = 16 << 10
	MaxPolicyDepth = 8
)

// Policy is a copy of a key's release policy, in the language of Azure Key Vault. It is for showing: the vault decides
// by its own.
type Policy struct{ entries []entry }

// entry holds if the token is from the authority and the condition holds.
type entry struct {
	authority string
	condition condition
}

// condition is either a claim with the text that it must equal, or a list of which all, or any, must hold.
type condition struct {
	claim, equals string
	all, any      []condition
}

// ReadPolicyFile reads a policy from a file.
func ReadPolicyFile(path string) (*Policy, error) {
	text, err := readFile(path, MaxPolicyBytes)
	if err != nil {
		return nil, fmt.Errorf("reading release policy: %w", err)
	}
	return ParsePolicy(text)
}

// ParsePolicy reads {"version":"1.0.0","anyOf":[{"authority":"https://HOST","allOf":[{"claim":"…","equals":"…"}]}]}.
// Whatever it does not know makes it fail, since a condition that is not understood would look like one that holds.
func ParsePolicy(text []byte) (*Policy, error) {
	policy, err := parsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("parsing release policy: %w", err)
	}
	return policy, nil
}

func parsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicyBytes {
		return nil, fmt.Errorf("got more than the limit of %d bytes", MaxPolicyBytes)
	}
	tree, err := parseTree(text)
	if err != nil {
		return nil, err
	}
	if version := as[string](tree, "version"); version != "1.0.0" {
		return nil, fmt.Errorf("got version %.20q, want \"1.0.0\"", version)
	}
	list := as[[]any](tree, "anyOf")
	if len(list) == 0 || len(tree) != 2 {
		return nil, errors.New("want version, anyOf with at least one entry, and nothing else")
	}
	policy := new(Policy)
	for i, value := range list {
		fields, _ := value.(map[string]any) //nolint:errcheck // of anything else there is no authority
		authority, err := url.Parse(strings.TrimSuffix(as[string](fields, "authority"), "/"))
		if err != nil || authority.Host == "" || authority.String() != "https://"+authority.Host {
			return nil, fmt.Errorf("entry %d: the authority is not https://HOST", i+1)
		}
		condition, err := parseGroup(fields, 2, 1)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		policy.entries = append(policy.entries, entry{authority.String(), condition})
	}
	return policy, nil
}

// parseGroup reads the anyOf or allOf of an object that has so many members.
func parseGroup(fields claimTree, members, depth int) (condition, error) {
	anyOf, allOf := as[[]any](fields, "anyOf"), as[[]any](fields, "allOf")
	if len(fields) != members || (len(anyOf) == 0) == (len(allOf) == 0) {
		return condition{}, errors.New("want a claim, or anyOf or allOf with at least one entry, and nothing else")
	}
	if depth > MaxPolicyDepth {
		return condition{}, fmt.Errorf("got conditions more than %d deep", MaxPolicyDepth)
	}
	var parts []condition
	for _, value := range append(anyOf, allOf...) {
		part, err := parseCondition(value, depth)
		if err != nil {
			return condition{}, err
		}
		parts = append(parts, part)
	}
	if len(anyOf) > 0 {
		return condition{any: parts}, nil
	}
	return condition{all: parts}, nil
}

func parseCondition(value any, depth int) (condition, error) {
	fields, _ := value.(map[string]any) //nolint:errcheck // anything else has no members
	if _, leaf := fields["claim"]; !leaf {
		return parseGroup(fields, 1, depth+1)
	}
	equals, comparable := plain(fields["equals"])
	claim := as[string](fields, "claim")
	if claim == "" || !comparable || len(fields) != 2 {
		return condition{}, errors.New("want a claim with equals, which is a text, a number, true or false, and no other operator")
	}
	return condition{claim: claim, equals: equals}, nil
}
