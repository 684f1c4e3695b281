package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const maa = "https://maa.example"

// Without this a policy that the service refuses would be taken here, or worse,
// one that is half understood would release a key.
func TestParseRefuses(t *testing.T) {
	entry := func(conditions string) string {
		return `{"version":"1.0.0","anyOf":[{"authority":"` + maa + `",` + conditions + `}]}`
	}
	leaf := `{"claim":"a","equals":"1"}`
	nested := leaf
	for range MaxDepth {
		nested = `{"allOf":[` + nested + `]}`
	}
	for name, c := range map[string]struct{ policy, want string }{
		"empty":              {``, "JSON object"},
		"null":               {`null`, "JSON object"},
		"empty object":       {`{}`, "version"},
		"no version":         {`{"anyOf":[]}`, "version"},
		"unknown version":    {strings.Replace(entry(`"allOf":[`+leaf+`]`), "1.0.0", "2.0.0", 1), "version"},
		"no authorities":     {`{"version":"1.0.0","anyOf":[]}`, "at least one"},
		"unknown member":     {strings.Replace(entry(`"allOf":[`+leaf+`]`), `"version"`, `"extra":1,"version"`, 1), "not known"},
		"member twice":       {strings.Replace(entry(`"allOf":[`+leaf+`]`), `"version"`, `"version":"1.0.0","version"`, 1), "JSON object"},
		"other case":         {strings.Replace(entry(`"allOf":[`+leaf+`]`), `anyOf`, `anyof`, 1), "not known"},
		"two documents":      {entry(`"allOf":[`+leaf+`]`) + `{}`, "JSON object"},
		"no condition":       {`{"version":"1.0.0","anyOf":[{"authority":"` + maa + `"}]}`, "either"},
		"empty allOf":        {entry(`"allOf":[]`), "at least one"},
		"both":               {entry(`"allOf":[` + leaf + `],"anyOf":[` + leaf + `]`), "either"},
		"no authority":       {`{"version":"1.0.0","anyOf":[{"allOf":[` + leaf + `]}]}`, "authority"},
		"plain authority":    {strings.Replace(entry(`"allOf":[`+leaf+`]`), "https", "http", 1), "https://HOST"},
		"authority's path":   {strings.Replace(entry(`"allOf":[`+leaf+`]`), maa, maa+"/x", 1), "https://HOST"},
		"notEquals":          {entry(`"allOf":[{"claim":"a","notEquals":"1"}]`), "notEquals"},
		"equals and exists":  {entry(`"allOf":[{"claim":"a","equals":"1","exists":true}]`), "exists"},
		"claim alone":        {entry(`"allOf":[{"claim":"a"}]`), "no \"equals\""},
		"claim is a number":  {entry(`"allOf":[{"claim":1,"equals":"1"}]`), "not a text"},
		"equals null":        {entry(`"allOf":[{"claim":"a","equals":null}]`), "wants"},
		"equals nothing":     {entry(`"allOf":[{"claim":"a","equals":""}]`), "wants"},
		"equals an object":   {entry(`"allOf":[{"claim":"a","equals":{}}]`), "wants"},
		"condition is empty": {entry(`"allOf":[{}]`), "exactly one"},
		"too deep":           {entry(`"allOf":[` + nested + `]`), "nested"},
		"too long":           {entry(`"allOf":[` + leaf + strings.Repeat(" ", MaxBytes) + `]`), "limit"},
	} {
		if _, err := Parse([]byte(c.policy)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one about %q", name, err, c.want)
		}
	}
}

// Without this the person would not learn which claim differs, or a debuggable
// or another workload would get the key.
func TestDecide(t *testing.T) {
	measured := strings.Repeat("ab", 32)
	p, err := ForWorkload("maa.example", KataCC, measured)
	if err != nil {
		t.Fatal(err)
	}
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
		got := p.Decide(c.issuer, Claims(claims))
		if got.Released != (c.claim == "") || got.Claim != c.claim && c.claim != "" {
			t.Errorf("%s: %+v, want the claim %q", name, got, c.claim)
		}
	}
	if _, err := ForWorkload("maa.example", KataCC, "abc"); err == nil {
		t.Error("a policy was made for a measurement that is none")
	}
	open, err := ForAnyWorkload("maa.example", ConfidentialACI)
	if err != nil {
		t.Fatal(err)
	}
	if open.Requires(ClaimHostData) || !p.Requires(ClaimHostData) {
		t.Error("a policy without a measurement is not told from one with")
	}
	either := Policy{Authorities: []Authority{{URL: maa, Condition: Condition{Any: []Condition{
		{Claim: ClaimHostData, Equals: measured}, {Claim: ClaimType, Equals: "sevsnpvm"},
	}}}}}
	if either.Requires(ClaimHostData) {
		t.Error("a measurement that can be gone around counts as required")
	}
}

// Without this the decision in the lab could differ from the grammar in a case
// that no one thought of. The second evaluator shares nothing with the first:
// it works on the policy's text and on a flat table of claims.
func TestDecideAgreesWithNaiveEvaluator(t *testing.T) {
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
		got := p.Decide(issuer, parsed)
		if got.Released != want {
			t.Fatalf("seed %d: got %+v, want released %t\npolicy %s\nissuer %s\nclaims %s", seed, got, want, text, issuer, payload)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := Parse(again); err != nil || second.Decide(issuer, parsed).Released != want {
			t.Fatalf("seed %d: the policy written anew decides differently: %s", seed, again)
		}
		if want {
			released++
		}
	}
	if released < rounds/20 || released > rounds*19/20 {
		t.Errorf("%d of %d released: the random policies do not try both sides", released, rounds)
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

// node is a policy or a part of one, as it is written.
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

// flatten lists every claim under its dotted name; a name that is there as it
// is goes before one that is put together.
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

// Without this a crafted policy or token could crash the vault, or mean
// something else after it was stored and read again.
func FuzzPolicy(f *testing.F) {
	p, err := ForWorkload("maa.example", ConfidentialACI, strings.Repeat("ab", 32))
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(p)
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
			t.Fatalf("a policy written anew is refused: %v", err)
		}
		for _, authority := range p.Authorities {
			if first := p.Decide(authority.URL, claims); err == nil && first != second.Decide(authority.URL, claims) {
				t.Fatalf("a policy written anew decides differently from %+v", first)
			}
		}
		if p.Decide("", claims).Released || p.Decide("https://nobody.invalid", claims).Released && !p.Trusts("https://nobody.invalid") {
			t.Fatal("released for an authority that the policy does not name")
		}
	})
}
