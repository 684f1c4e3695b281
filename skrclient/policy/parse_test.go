package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

const maa = "https://maa.example"

// The lab would accept a policy that the service refuses, or worse, a policy that
// is half understood would release a key.
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

// A user would lose the warning that a condition is not understood, and take the comparison for complete.
func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	leaf := `{"claim":"a","equals":"b"}`
	policy := func(entry string) string {
		return `{"version":"1.0.0","anyOf":[{"authority":"https://maa.example.net",` + entry + `}]}`
	}
	nested := func(depth int) string {
		return policy(`"allOf":[` + strings.Repeat(`{"anyOf":[`, depth-1) + leaf + strings.Repeat(`]}`, depth-1) + `]`)
	}
	for _, text := range []string{policy(`"anyOf":[` + leaf + `]`), nested(MaxDepth)} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	good := policy(`"allOf":[` + leaf + `]`)
	for name, text := range map[string]string{
		"nothing": "", "empty": "{}", "null": "null", "list": "[]", "two documents": good + good, "too long": good + strings.Repeat(" ", MaxBytes), "cut off": good[:40],
		"version": strings.Replace(good, "1.0.0", "2.0.0", 1), "version a number": strings.Replace(good, `"1.0.0"`, `1`, 1), "no version": strings.Replace(good, `"version":"1.0.0",`, "", 1),
		"no entry": `{"version":"1.0.0","anyOf":[]}`, "allOf outside": strings.Replace(good, "anyOf", "allOf", 1), "member more": strings.Replace(good, `{"version"`, `{"more":1,"version"`, 1),
		"authority over http": strings.Replace(good, "https", "http", 1), "authority with path": strings.Replace(good, "example.net", "example.net/a", 1), "authority with user": strings.Replace(good, "https://", "https://u@", 1),
		"no authority": strings.Replace(good, "authority", "issuer", 1), "entry a text": `{"version":"1.0.0","anyOf":["a"]}`, "entry without condition": `{"version":"1.0.0","anyOf":[{"authority":"https://maa"}]}`,
		"empty allOf": policy(`"allOf":[]`), "both": policy(`"allOf":[` + leaf + `],"anyOf":[` + leaf + `]`), "other operator": policy(`"allOf":[{"claim":"a","contains":"b"}]`),
		"operator more": policy(`"allOf":[{"claim":"a","equals":"b","exists":true}]`), "no operator": policy(`"allOf":[{"claim":"a"}]`), "empty claim": policy(`"allOf":[{"claim":"","equals":"b"}]`),
		"equals null": policy(`"allOf":[{"claim":"a","equals":null}]`), "equals a list": policy(`"allOf":[{"claim":"a","equals":["b"]}]`), "claim a number": policy(`"allOf":[{"claim":1,"equals":"b"}]`),
		"condition a text": policy(`"allOf":["a"]`), "condition empty": policy(`"allOf":[{}]`), "too deep": nested(MaxDepth + 1), "deeper than any stack": policy(`"allOf":` + strings.Repeat("[", 15000)),
		"a name twice": policy(`"allOf":[{"claim":"a","equals":"b","equals":"c"}]`), "claim and group": policy(`"allOf":[{"claim":"a","equals":"b","allOf":[` + leaf + `]}]`),
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A user would lose the running program to a crash, or take a condition that is not understood for one that holds.
func FuzzParse(f *testing.F) {
	katacc, err := json.Marshal(ForWorkload("maa.example.net", [32]byte{0xab}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(katacc))
	f.Add(`{"version":"1.0.0","anyOf":[{"authority":"https://maa/","anyOf":[{"allOf":[{"claim":"a.b","equals":true}]},{"claim":"c","equals":1}]}]}`)
	f.Add(`{"version":"1.0.0","anyOf":[{"authority":"https://maa","allOf":[{"claim":"a","contains":"b"}]}]}`)
	claims, err := ParseClaims([]byte(`{"iss":"https://maa","a":{"b":true},"c":1}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if got := strings.Count(text, `"claim"`) + strings.Count(text, `\u`); got == 0 {
			t.Fatal("got a policy that asks for nothing")
		}
		checks := policy.Compare(claims)
		if len(checks) == 0 {
			t.Fatal("got a policy that compares nothing")
		}
		for _, check := range checks {
			if check.Claim == "" || check.Result == "" {
				t.Fatalf("got %+v", check)
			}
		}
	})
}
