package skrclient

import (
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/skrclient/policy"
)

const katacc = `{"version":"1.0.0","anyOf":[{"authority":"https://maa.example.net","allOf":[
	{"claim":"x-ms-attestation-type","equals":"sevsnpvm"},{"claim":"x-ms-sevsnpvm-hostdata","equals":"aa11"},
	{"claim":"x-ms-compliance-status","equals":"azure-signed-katacc-uvm"},{"claim":"x-ms-sevsnpvm-is-debuggable","equals":"false"}]}]}`

const soundClaims = `{"iss":"https://maa.example.net","x-ms-attestation-type":"sevsnpvm","x-ms-sevsnpvm-hostdata":"aa11","x-ms-compliance-status":"azure-signed-katacc-uvm",
	"x-ms-sevsnpvm-is-debuggable":false,"x-ms-sevsnpvm-vmpl":0,"x-ms-runtime":{"nonce":"n","a.b":1},"list":["a"],"nothing":null}`

func check(claim, expected, actual string, result policy.Result) policy.Check {
	return policy.Check{Claim: claim, Expected: expected, Actual: actual, Result: result}
}

// compared returns the checks with an expected value.
func compared(t testing.TB, rules, claims string, checked bool) (found []policy.Check) {
	t.Helper()
	tree, err := policy.ParseClaims([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range (&Attestation{Checked: checked, claims: tree}).Compare(&p) {
		if check.Expected != "" {
			found = append(found, check)
		}
	}
	return found
}

// A user would spend hours to find which of a dozen values caused a refusal, or see the wrong one.
func TestCompare(t *testing.T) {
	for name, test := range map[string]struct {
		old, replacement string       // in the claims
		differs          policy.Check // empty: nothing does
	}{
		"nothing":       {"", "", policy.Check{}},
		"host data":     {`"aa11"`, `"bb22"`, check("x-ms-sevsnpvm-hostdata", "aa11", "bb22", policy.Different)},
		"debuggable":    {`is-debuggable":false`, `is-debuggable":true`, check("x-ms-sevsnpvm-is-debuggable", "false", "true", policy.Different)},
		"not stated":    {`"x-ms-compliance-status"`, `"other"`, check("x-ms-compliance-status", "azure-signed-katacc-uvm", "", policy.Different)},
		"a list":        {`"aa11"`, `["aa11"]`, check("x-ms-sevsnpvm-hostdata", "aa11", "", policy.Different)},
		"letters' case": {`"aa11"`, `"AA11"`, check("x-ms-sevsnpvm-hostdata", "aa11", "AA11", policy.Different)},
		"authority":     {`maa.example.net`, `other.example.net`, check("iss", "https://maa.example.net", "https://other.example.net", policy.Different)},
	} {
		claims := strings.Replace(soundClaims, test.old, test.replacement, 1)
		tree, err := policy.ParseClaims([]byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		rules, err := policy.Parse([]byte(katacc))
		if err != nil {
			t.Fatal(err)
		}
		checks := (&Attestation{Checked: true, claims: tree}).Compare(&rules)
		var got policy.Check
		if at := slices.IndexFunc(checks, func(c policy.Check) bool { return c.Result == policy.Different }); at >= 0 {
			got = checks[at]
		}
		if got != test.differs {
			t.Errorf("%s: got %+v, want %+v", name, got, test.differs)
		}
		for _, check := range compared(t, katacc, claims, false) {
			if check.Result != policy.NotChecked {
				t.Errorf("%s: got %+v of a token that was not checked", name, check)
			}
		}
	}
}

// A user would not see a claim that the policy does not mention, or the alternative that nearly matched.
func TestCompareShows(t *testing.T) {
	tree, err := policy.ParseClaims([]byte(soundClaims))
	if err != nil {
		t.Fatal(err)
	}
	attestation := &Attestation{Checked: true, claims: tree}
	if got := attestation.Compare(nil); len(got) != len(displayedClaims()) || got[2] != check("x-ms-sevsnpvm-hostdata", "", "aa11", policy.NotChecked) || got[4].Actual != "0" || got[5].Actual != "" {
		t.Errorf("got %+v, want the usual claims, nothing expected", got)
	}
	for name, test := range map[string]struct {
		condition string
		want      []policy.Check
	}{
		"dotted":           {`"allOf":[{"claim":"x-ms-runtime.nonce","equals":"n"}]`, []policy.Check{check("x-ms-runtime.nonce", "n", "n", policy.Equal)}},
		"dotted name":      {`"allOf":[{"claim":"x-ms-runtime.a.b","equals":1}]`, []policy.Check{check("x-ms-runtime.a.b", "1", "1", policy.Equal)}},
		"boolean":          {`"allOf":[{"claim":"x-ms-sevsnpvm-is-debuggable","equals":false}]`, []policy.Check{check("x-ms-sevsnpvm-is-debuggable", "false", "false", policy.Equal)}},
		"null":             {`"allOf":[{"claim":"nothing","equals":"null"}]`, []policy.Check{check("nothing", "null", "", policy.Different)}},
		"one of two holds": {`"anyOf":[{"claim":"list","equals":"a"},{"claim":"x-ms-sevsnpvm-vmpl","equals":"0"}]`, []policy.Check{check("x-ms-sevsnpvm-vmpl", "0", "0", policy.Equal)}},
		"the nearest": {
			`"anyOf":[{"allOf":[{"claim":"a","equals":"1"},{"claim":"b","equals":"1"}]},{"allOf":[{"claim":"c","equals":"1"},{"claim":"x-ms-sevsnpvm-vmpl","equals":"0"}]}]`,
			[]policy.Check{check("x-ms-sevsnpvm-vmpl", "0", "0", policy.Equal), check("c", "1", "", policy.Different)},
		},
	} {
		rules := `{"version":"1.0.0","anyOf":[{"authority":"https://other","allOf":[{"claim":"z","equals":"z"}]},{"authority":"https://maa.example.net/",` + test.condition + `}]}`
		got := slices.DeleteFunc(compared(t, rules, soundClaims, true), func(check policy.Check) bool { return check.Claim == "iss" && check.Result == policy.Equal })
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}
