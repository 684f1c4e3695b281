// Package policy reads, makes and evaluates release policies in the language of Azure Key Vault: which claims of an
// attestation token release a key.
//
//	p, err := policy.Parse(text)
//	checks := p.Compare(claims)
//	released := len(policy.Unmet(checks)) == 0
//
// The only operator is "equals", as in the service; Parse refuses every other. The package does not verify tokens: the
// caller has checked the signature with a key of the issuer, and the times.
package policy

import (
	"encoding/json"
	"slices"
)

// Limits of a policy. The depth is the number of anyOf and allOf nested in each other.
const (
	Version  = "1.0.0"
	MaxBytes = 16 << 10
	MaxDepth = 8
)

// Policy is satisfied if the claims come from one of its authorities and satisfy that authority's condition. The zero
// Policy is never satisfied.
type Policy struct{ Authorities []Authority }

// Authority is an attestation service and the condition on its claims.
type Authority struct {
	URL       string `json:"authority"` // https://HOST, the token's issuer
	Condition        // All or Any
}

// Condition is either a claim with the text that it must equal, or a list of conditions of which all, or any, must
// hold.
type Condition struct {
	Claim  string      `json:"claim,omitempty"`
	Equals string      `json:"equals,omitempty"` // not empty
	All    []Condition `json:"allOf,omitempty"`
	Any    []Condition `json:"anyOf,omitempty"`
}

// MarshalJSON writes the policy in the service's grammar.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version string      `json:"version"`
		AnyOf   []Authority `json:"anyOf"`
	}{Version, p.Authorities})
}

// Trusts reports whether the issuer is one of the policy's authorities.
func (p Policy) Trusts(issuer string) bool {
	return slices.ContainsFunc(p.Authorities, func(a Authority) bool { return a.URL == issuer })
}

// Requires reports whether every way to satisfy the policy fixes the claim.
func (p Policy) Requires(claim string) bool {
	for _, authority := range p.Authorities {
		if !authority.requires(claim) {
			return false
		}
	}
	return len(p.Authorities) > 0
}

func (c Condition) requires(claim string) bool {
	requires := func(part Condition) bool { return part.requires(claim) }
	if len(c.Any) > 0 {
		return !slices.ContainsFunc(c.Any, func(part Condition) bool { return !requires(part) })
	}
	return c.Claim == claim || slices.ContainsFunc(c.All, requires)
}
