package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
)

// decide evaluates the policy for claims of the issuer, and returns the first
// claim that differs.
func decide(p Policy, issuer string, claims Claims) (released bool, first Check) {
	claims = maps.Clone(claims)
	claims["iss"] = issuer
	if unmet := Unmet(p.Compare(claims)); len(unmet) > 0 {
		return false, unmet[0]
	}
	return true, Check{}
}

// A person would not learn which claim differs, or a debuggable or another
// workload would get the key.
func TestCompareNamesTheClaim(t *testing.T) {
	measured := strings.Repeat("ab", 32)
	p := ForWorkload("maa.example", [32]byte(bytes.Repeat([]byte{0xab}, 32)))
	good := func() map[string]any {
		return map[string]any{
			ClaimType: "sevsnpvm", ClaimHostData: measured, ClaimCompliance: ComplianceKataCC, ClaimDebug: false,
		}
	}
	for name, c := range map[string]struct {
		issuer string
		change func(map[string]any)
		claim  string // empty: released
	}{
		"as measured":        {maa, func(map[string]any) {}, ""},
		"boolean as text":    {maa, func(c map[string]any) { c[ClaimDebug] = "false" }, ""},
		"debuggable":         {maa, func(c map[string]any) { c[ClaimDebug] = true }, ClaimDebug},
		"another workload":   {maa, func(c map[string]any) { c[ClaimHostData] = strings.Repeat("cd", 32) }, ClaimHostData},
		"in capitals":        {maa, func(c map[string]any) { c[ClaimHostData] = strings.ToUpper(measured) }, ClaimHostData},
		"no compliance":      {maa, func(c map[string]any) { delete(c, ClaimCompliance) }, ClaimCompliance},
		"claim is a list":    {maa, func(c map[string]any) { c[ClaimType] = []any{"sevsnpvm"} }, ClaimType},
		"another authority":  {"https://evil.example", func(map[string]any) {}, "iss"},
		"no authority":       {"", func(map[string]any) {}, "iss"},
		"authority's suffix": {maa + ".evil.example", func(map[string]any) {}, "iss"},
	} {
		claims := good()
		c.change(claims)
		released, got := decide(p, c.issuer, claims)
		if released != (c.claim == "") || got.Claim != c.claim {
			t.Errorf("%s: got released %t, %+v, want the claim %q", name, released, got, c.claim)
		}
	}
	open := Policy{Authorities: []Authority{{URL: maa, Condition: Condition{All: []Condition{{Claim: ClaimType, Equals: "sevsnpvm"}, {Claim: ClaimVMPL, Equals: "0"}}}}}}
	if open.Requires(ClaimHostData) || !p.Requires(ClaimHostData) {
		t.Error("got a policy that requires a measurement, want one without, or the reverse")
	}
	either := Policy{Authorities: []Authority{{URL: maa, Condition: Condition{Any: []Condition{
		{Claim: ClaimHostData, Equals: measured}, {Claim: ClaimType, Equals: "sevsnpvm"},
	}}}}}
	if either.Requires(ClaimHostData) {
		t.Error("got a measurement that counts as required, want not: the other alternative does not need it")
	}
}

// A key could be released, or a page blame a claim, against the grammar in a case
// that nobody thought of. The naive evaluator shares no code with Compare: it
// works on the policy's text and on a flat table of claims.
func TestCompareAgreesWithNaiveEvaluator(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	released := 0
	const rounds = 5_000
	for range rounds {
		claims, policy := randomClaims(random, 2), randomPolicy(random)
		issuer := authorities[random.IntN(len(authorities))]
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("seed %d: %v: %s", seed, err, text)
		}
		parsed, err := ParseClaims(payload)
		if err != nil {
			t.Fatal(err)
		}
		want := naive(policy, issuer, flatten(claims))
		if released, first := decide(p, issuer, parsed); released != want {
			t.Fatalf("seed %d: got %+v, want released %t\npolicy %s\nissuer %s\nclaims %s", seed, first, want, text, issuer, payload)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse(again)
		if err != nil {
			t.Fatal(err)
		}
		if released, _ := decide(second, issuer, parsed); released != want {
			t.Fatalf("seed %d: the policy decides differently after writing and reading it: %s", seed, again)
		}
		if want {
			released++
		}
	}
	if released < rounds/20 || released > rounds*19/20 {
		t.Errorf("%d of %d released: the random policies do not try both sides", released, rounds)
	}
}

// The zero values must not release a key: a policy that was never read would
// release it to everybody.
func TestZeroPolicyIsNeverSatisfied(t *testing.T) {
	claims := Claims{"iss": "", "": ""}
	for name, p := range map[string]Policy{
		"policy":    {},
		"authority": {Authorities: []Authority{{}}},
		"condition": {Authorities: []Authority{{URL: "", Condition: Condition{All: []Condition{{}}}}}},
	} {
		if len(Unmet(p.Compare(claims))) == 0 {
			t.Errorf("%s: got a zero value that is satisfied", name)
		}
	}
}

var (
	authorities = []string{maa, "https://other.example"}
	names       = []string{"a", "b", "c"}
	values      = []any{"1", 1, true, "true", false, "x"}
)

func randomClaims(r *rand.Rand, depth int) map[string]any {
	claims := map[string]any{}
	for _, name := range names {
		switch r.IntN(4) {
		case 0:
		case 1:
			if depth > 0 {
				claims[name] = randomClaims(r, depth-1)
			}
		default:
			claims[name] = values[r.IntN(len(values))]
		}
	}
	if r.IntN(4) == 0 {
		claims["a.b"] = values[r.IntN(len(values))]
	}
	return claims
}

// node is a policy, or a part of one, as JSON.
type node struct {
	Version   string `json:"version,omitempty"`
	Authority string `json:"authority,omitempty"`
	Claim     string `json:"claim,omitempty"`
	Equals    any    `json:"equals,omitempty"`
	AnyOf     []node `json:"anyOf,omitempty"`
	AllOf     []node `json:"allOf,omitempty"`
}

func randomPolicy(r *rand.Rand) node {
	policy := node{Version: "1.0.0"}
	for range 1 + r.IntN(2) {
		entry := randomGroup(r, 3)
		entry.Authority = authorities[r.IntN(len(authorities))]
		policy.AnyOf = append(policy.AnyOf, entry)
	}
	return policy
}

func randomGroup(r *rand.Rand, depth int) node {
	var parts []node
	for range 1 + r.IntN(3) {
		if depth > 0 && r.IntN(3) == 0 {
			parts = append(parts, randomGroup(r, depth-1))
			continue
		}
		name := names[r.IntN(len(names))]
		for r.IntN(3) == 0 {
			name += "." + names[r.IntN(len(names))]
		}
		parts = append(parts, node{Claim: name, Equals: values[r.IntN(len(values))]})
	}
	if r.IntN(2) == 0 {
		return node{AnyOf: parts}
	}
	return node{AllOf: parts}
}

// flatten lists every claim under its dotted name. A name that contains the dot
// itself wins over a nested one.
func flatten(claims map[string]any) map[string]string {
	table := map[string]string{}
	for name, value := range claims {
		inner, isObject := value.(map[string]any)
		if !isObject {
			table[name] = fmt.Sprint(value)
			continue
		}
		for rest, text := range flatten(inner) {
			if _, literal := claims[name+"."+rest]; !literal {
				table[name+"."+rest] = text
			}
		}
	}
	return table
}

func naive(policy node, issuer string, table map[string]string) bool {
	for _, entry := range policy.AnyOf {
		if entry.Authority == issuer && naiveCondition(entry, table) {
			return true
		}
	}
	return false
}

func naiveCondition(condition node, table map[string]string) bool {
	if condition.Claim != "" {
		text, there := table[condition.Claim]
		return there && text == fmt.Sprint(condition.Equals)
	}
	count := func(parts []node) (holds int) {
		for _, part := range parts {
			if naiveCondition(part, table) {
				holds++
			}
		}
		return holds
	}
	if len(condition.AllOf) > 0 {
		return count(condition.AllOf) == len(condition.AllOf)
	}
	return count(condition.AnyOf) > 0
}

// A crafted policy or token could crash the vault, or change its meaning when it
// is stored and read again.
func FuzzPolicy(f *testing.F) {
	text, err := json.Marshal(ForWorkload("maa.example", [32]byte{0xab}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, []byte(`{"a":{"b":1},"x-ms-attestation-type":"sevsnpvm"}`))
	f.Add([]byte(`{"version":"1.0.0","anyOf":[{"authority":"https://m","anyOf":[{"allOf":[{"claim":"a.b","equals":1}]}]}]}`), []byte(`{"a":{"b":1}}`))
	f.Fuzz(func(t *testing.T, text, payload []byte) {
		p, err := Parse(text)
		claims, claimsErr := ParseClaims(payload)
		if err != nil || claimsErr != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse(again)
		if err != nil && len(again) <= MaxBytes {
			t.Fatalf("a policy is refused after writing it: %v", err)
		}
		for _, authority := range p.Authorities {
			released, first := decide(p, authority.URL, claims)
			if releasedAgain, firstAgain := decide(second, authority.URL, claims); err == nil && (released != releasedAgain || first != firstAgain) {
				t.Fatalf("a policy decides differently after writing and reading it: %+v, then %+v", first, firstAgain)
			}
		}
		for _, stranger := range []string{"", "https://nobody.invalid"} {
			if released, _ := decide(p, stranger, claims); released && !p.Trusts(stranger) {
				t.Fatalf("released for the issuer %q, which the policy does not name", stranger)
			}
		}
	})
}
