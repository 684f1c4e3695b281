// Package policy is the release policy language of Azure Key Vault, as a pure
// function: claims and a policy give a decision.
//
//	p, err := policy.Parse(text)
//	decision := p.Decide(issuer, claims)
//
// It knows of the operators only "equals", as the service does, and refuses
// every other. It does not verify tokens: whoever calls Decide has checked the
// signature with a key of the issuer, and the times.
package policy

import "slices"

// Limits of a policy. The depth counts the anyOf and allOf inside each other.
const (
	Version  = "1.0.0"
	MaxBytes = 16 << 10
	MaxDepth = 8
)

// Policy releases if any of its authorities vouches for what its condition asks.
type Policy struct{ Authorities []Authority }

// Authority is an attestation service and what it must have said.
type Authority struct {
	URL       string `json:"authority"` // https://HOST, the token's issuer
	Condition        // a list
}

// Condition is either a claim with the text that it must equal, or a list of
// conditions of which all, or any, must hold.
type Condition struct {
	Claim  string      `json:"claim,omitempty"`
	Equals string      `json:"equals,omitempty"` // not empty
	All    []Condition `json:"allOf,omitempty"`
	Any    []Condition `json:"anyOf,omitempty"`
}

// Decision says whether a policy is satisfied and, if not, the first claim that
// stood in the way.
type Decision struct {
	Released bool
	Claim    string
	Want     string // what the policy asks of the claim
	Got      string // what the token says; empty if it says nothing
}

// Decide applies the policy to the claims of a token that the issuer has
// signed. Without an authority that is the issuer nothing is released, and the
// claim is "iss".
func (p Policy) Decide(issuer string, claims Claims) Decision {
	refusal := Decision{Claim: "iss", Got: issuer}
	for _, authority := range p.Authorities {
		if authority.URL != issuer {
			if refusal.Claim == "iss" {
				refusal.Want = authority.URL
			}
			continue
		}
		decision := authority.decide(claims)
		if decision.Released {
			return decision
		}
		refusal = decision
	}
	return refusal
}

// Trusts reports whether the policy names the issuer at all.
func (p Policy) Trusts(issuer string) bool {
	return slices.ContainsFunc(p.Authorities, func(a Authority) bool { return a.URL == issuer })
}

func (c Condition) decide(claims Claims) Decision {
	switch {
	case len(c.All) > 0:
		for _, part := range c.All {
			if decision := part.decide(claims); !decision.Released {
				return decision
			}
		}
		return Decision{Released: true}
	case len(c.Any) > 0:
		var first Decision
		for i, part := range c.Any {
			decision := part.decide(claims)
			if decision.Released {
				return decision
			}
			if i == 0 {
				first = decision
			}
		}
		return first
	}
	value, there := claims.lookup(c.Claim)
	text, comparable := plain(value)
	return Decision{Released: there && comparable && c.Claim != "" && text == c.Equals, Claim: c.Claim, Want: c.Equals, Got: text}
}

// Requires reports whether no token can satisfy the policy without having the
// claim equal something.
func (p Policy) Requires(claim string) bool {
	for _, authority := range p.Authorities {
		if !authority.requires(claim) {
			return false
		}
	}
	return len(p.Authorities) > 0
}

func (c Condition) requires(claim string) bool {
	needs := func(part Condition) bool { return part.requires(claim) }
	if len(c.Any) > 0 {
		return !slices.ContainsFunc(c.Any, func(part Condition) bool { return !needs(part) })
	}
	return c.Claim == claim || slices.ContainsFunc(c.All, needs)
}
