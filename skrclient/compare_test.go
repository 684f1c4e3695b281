package skrclient

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const katacc = `{"version":"1.0.0","anyOf":[{"authority":"https://maa.example.net","allOf":[
	{"claim":"x-ms-attestation-type","equals":"sevsnpvm"},{"claim":"x-ms-sevsnpvm-hostdata","equals":"aa11"},
	{"claim":"x-ms-compliance-status","equals":"azure-signed-katacc-uvm"},{"claim":"x-ms-sevsnpvm-is-debuggable","equals":"false"}]}]}`

const soundClaims = `{"iss":"https://maa.example.net","x-ms-attestation-type":"sevsnpvm","x-ms-sevsnpvm-hostdata":"aa11","x-ms-compliance-status":"azure-signed-katacc-uvm",
	"x-ms-sevsnpvm-is-debuggable":false,"x-ms-sevsnpvm-vmpl":0,"x-ms-runtime":{"nonce":"n","a.b":1},"list":["a"],"nothing":null}`

// compared returns the checks of which something is expected.
func compared(t testing.TB, policy, claims string, checked bool) (found []Check) {
	t.Helper()
	tree, err := parseTree([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range (&Attestation{Checked: checked, tree: tree}).Compare(p) {
		if check.Expected != "" {
			found = append(found, check)
		}
	}
	return found
}

// A user would lose hours of guessing which of a dozen values stood in the way, or be told the wrong one.
func TestCompare(t *testing.T) {
	for name, test := range map[string]struct {
		old, replacement string // in the claims
		differs          Check  // empty: nothing does
	}{
		"nothing":       {"", "", Check{}},
		"host data":     {`"aa11"`, `"bb22"`, Check{"x-ms-sevsnpvm-hostdata", "aa11", "bb22", Different}},
		"debuggable":    {`is-debuggable":false`, `is-debuggable":true`, Check{"x-ms-sevsnpvm-is-debuggable", "false", "true", Different}},
		"not stated":    {`"x-ms-compliance-status"`, `"other"`, Check{"x-ms-compliance-status", "azure-signed-katacc-uvm", "", Different}},
		"a list":        {`"aa11"`, `["aa11"]`, Check{"x-ms-sevsnpvm-hostdata", "aa11", "", Different}},
		"letters' case": {`"aa11"`, `"AA11"`, Check{"x-ms-sevsnpvm-hostdata", "aa11", "AA11", Different}},
		"authority":     {`maa.example.net`, `other.example.net`, Check{"iss", "https://maa.example.net", "https://other.example.net", Different}},
	} {
		claims := strings.Replace(soundClaims, test.old, test.replacement, 1)
		tree, err := parseTree([]byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := ParsePolicy([]byte(katacc))
		if err != nil {
			t.Fatal(err)
		}
		checks := (&Attestation{Checked: true, tree: tree}).Compare(policy)
		var got Check
		if at := slices.IndexFunc(checks, func(c Check) bool { return c.Result == Different }); at >= 0 {
			got = checks[at]
		}
		if got != test.differs {
			t.Errorf("%s: got %+v, want %+v", name, got, test.differs)
		}
		for _, check := range compared(t, katacc, claims, false) {
			if check.Result != NotChecked {
				t.Errorf("%s: got %+v of a token that was not checked", name, check)
			}
		}
	}
}

// A user would lose sight of a claim that is measured but not asked for, or of an alternative that nearly held.
func TestCompareShows(t *testing.T) {
	tree, err := parseTree([]byte(soundClaims))
	if err != nil {
		t.Fatal(err)
	}
	attestation := &Attestation{Checked: true, tree: tree}
	if got := attestation.Compare(nil); len(got) != len(shown()) || got[2] != (Check{"x-ms-sevsnpvm-hostdata", "", "aa11", NotChecked}) || got[4].Actual != "0" || got[5].Actual != "" {
		t.Errorf("got %+v, want the usual claims, nothing expected", got)
	}
	for name, test := range map[string]struct {
		condition string
		want      []Check
	}{
		"dotted":           {`"allOf":[{"claim":"x-ms-runtime.nonce","equals":"n"}]`, []Check{{"x-ms-runtime.nonce", "n", "n", Equal}}},
		"dotted name":      {`"allOf":[{"claim":"x-ms-runtime.a.b","equals":1}]`, []Check{{"x-ms-runtime.a.b", "1", "1", Equal}}},
		"boolean":          {`"allOf":[{"claim":"x-ms-sevsnpvm-is-debuggable","equals":false}]`, []Check{{"x-ms-sevsnpvm-is-debuggable", "false", "false", Equal}}},
		"null":             {`"allOf":[{"claim":"nothing","equals":"null"}]`, []Check{{"nothing", "null", "", Different}}},
		"one of two holds": {`"anyOf":[{"claim":"list","equals":"a"},{"claim":"x-ms-sevsnpvm-vmpl","equals":"0"}]`, []Check{{"x-ms-sevsnpvm-vmpl", "0", "0", Equal}}},
		"the nearest": {
			`"anyOf":[{"allOf":[{"claim":"a","equals":"1"},{"claim":"b","equals":"1"}]},{"allOf":[{"claim":"c","equals":"1"},{"claim":"x-ms-sevsnpvm-vmpl","equals":"0"}]}]`,
			[]Check{{"x-ms-sevsnpvm-vmpl", "0", "0", Equal}, {"c", "1", "", Different}},
		},
	} {
		policy := `{"version":"1.0.0","anyOf":[{"authority":"https://other","allOf":[{"claim":"z","equals":"z"}]},{"authority":"https://maa.example.net/",` + test.condition + `}]}`
		got := slices.DeleteFunc(compared(t, policy, soundClaims, true), func(check Check) bool { return check.Claim == "iss" && check.Result == Equal })
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// A user would lose the warning that a condition is not understood, and take the comparison for complete.
func TestParsePolicyRefuses(t *testing.T) {
	leaf := `{"claim":"a","equals":"b"}`
	policy := func(entry string) string {
		return `{"version":"1.0.0","anyOf":[{"authority":"https://maa.example.net",` + entry + `}]}`
	}
	nested := func(depth int) string {
		return policy(`"allOf":[` + strings.Repeat(`{"anyOf":[`, depth-1) + leaf + strings.Repeat(`]}`, depth-1) + `]`)
	}
	for _, text := range []string{katacc, policy(`"anyOf":[` + leaf + `]`), nested(MaxPolicyDepth)} {
		if _, err := ParsePolicy([]byte(text)); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	good := policy(`"allOf":[` + leaf + `]`)
	for name, text := range map[string]string{
		"nothing": "", "empty": "{}", "null": "null", "list": "[]", "two documents": good + good, "too long": good + strings.Repeat(" ", MaxPolicyBytes), "cut off": good[:40],
		"version": strings.Replace(good, "1.0.0", "2.0.0", 1), "version a number": strings.Replace(good, `"1.0.0"`, `1`, 1), "no version": strings.Replace(good, `"version":"1.0.0",`, "", 1),
		"no entry": `{"version":"1.0.0","anyOf":[]}`, "allOf outside": strings.Replace(good, "anyOf", "allOf", 1), "member more": strings.Replace(good, `{"version"`, `{"more":1,"version"`, 1),
		"authority over http": strings.Replace(good, "https", "http", 1), "authority with path": strings.Replace(good, "example.net", "example.net/a", 1), "authority with user": strings.Replace(good, "https://", "https://u@", 1),
		"no authority": strings.Replace(good, "authority", "issuer", 1), "entry a text": `{"version":"1.0.0","anyOf":["a"]}`, "entry without condition": `{"version":"1.0.0","anyOf":[{"authority":"https://maa"}]}`,
		"empty allOf": policy(`"allOf":[]`), "both": policy(`"allOf":[` + leaf + `],"anyOf":[` + leaf + `]`), "other operator": policy(`"allOf":[{"claim":"a","contains":"b"}]`),
		"operator more": policy(`"allOf":[{"claim":"a","equals":"b","exists":true}]`), "no operator": policy(`"allOf":[{"claim":"a"}]`), "empty claim": policy(`"allOf":[{"claim":"","equals":"b"}]`),
		"equals null": policy(`"allOf":[{"claim":"a","equals":null}]`), "equals a list": policy(`"allOf":[{"claim":"a","equals":["b"]}]`), "claim a number": policy(`"allOf":[{"claim":1,"equals":"b"}]`),
		"condition a text": policy(`"allOf":["a"]`), "condition empty": policy(`"allOf":[{}]`), "too deep": nested(MaxPolicyDepth + 1), "deeper than any stack": policy(`"allOf":` + strings.Repeat("[", 15000)),
		"a name twice": policy(`"allOf":[{"claim":"a","equals":"b","equals":"c"}]`), "claim and group": policy(`"allOf":[{"claim":"a","equals":"b","allOf":[` + leaf + `]}]`),
	} {
		if _, err := ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// conditions is the grammar once more, for encoding/json and the naive evaluator.
type conditions struct {
	Claim, Equals string
	AllOf, AnyOf  []conditions
}

func (c conditions) hold(claims any) bool {
	holds := func(part conditions) bool { return part.hold(claims) }
	if c.AllOf != nil {
		return !slices.ContainsFunc(c.AllOf, func(part conditions) bool { return !holds(part) })
	}
	if c.AnyOf != nil {
		return slices.ContainsFunc(c.AnyOf, holds)
	}
	for name := range strings.SplitSeq(c.Claim, ".") {
		object, _ := claims.(map[string]any) //nolint:errcheck // of anything else there is no member
		claims = object[name]
	}
	return claims != nil && fmt.Sprint(claims) == c.Equals
}

// A user would lose trust in the page: it must call a policy satisfied if and only if it is.
func TestCompareAgreesWithNaiveEvaluator(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names, values := []string{"a", "b", "c.d", "c.e"}, []any{"true", "1", "x"}
	var condition func(depth int) map[string]any
	condition = func(depth int) map[string]any {
		if depth == 0 || random.IntN(3) == 0 {
			return map[string]any{"claim": names[random.IntN(4)], "equals": values[random.IntN(3)]}
		}
		parts := make([]any, 1+random.IntN(3))
		for i := range parts {
			parts[i] = condition(depth - 1)
		}
		return map[string]any{[]string{"allOf", "anyOf"}[random.IntN(2)]: parts}
	}
	value := func() any { return []any{"true", true, "1", 1, "x", nil, []string{"x"}}[random.IntN(7)] }
	satisfied := 0
	const issuer = "https://maa.example.net"
	for range 5000 {
		var entries []any
		claims := map[string]any{"iss": issuer, "a": value(), "b": value(), "c": map[string]any{"d": value(), "e": value()}}
		want := false
		for range 1 + random.IntN(2) {
			c, authority := condition(3), []string{issuer, "https://other"}[random.IntN(2)]
			if _, leaf := c["claim"]; leaf {
				c = map[string]any{"allOf": []any{c}}
			}
			var grammar conditions
			if err := json.Unmarshal([]byte(marshal(t, c)), &grammar); err != nil {
				t.Fatal(err)
			}
			want = want || authority == issuer && grammar.hold(claims)
			entry := maps.Clone(c)
			entry["authority"] = authority
			entries = append(entries, entry)
		}
		policy := marshal(t, map[string]any{"version": "1.0.0", "anyOf": entries})
		got := true
		for _, check := range compared(t, policy, marshal(t, claims), true) {
			got = got && check.Result == Equal
		}
		if got != want {
			t.Fatalf("got satisfied %v, want %v: %s for %s", got, want, policy, marshal(t, claims))
		}
		if want {
			satisfied++
		}
	}
	if satisfied < 500 || satisfied > 4500 {
		t.Errorf("got %d of 5000 satisfied, want a mixture", satisfied)
	}
}
