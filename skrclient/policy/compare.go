package policy

// Result says how a claim compares with the policy.
type Result string

// The results.
const (
	Equal      Result = "equal"
	Different  Result = "different"
	NotChecked Result = "not_checked" // nothing is expected, or the token's signature could not be checked
)

// Check compares one claim of a token with its expected value.
type Check struct {
	Claim    string // as in the token, such as x-ms-sevsnpvm-hostdata
	Expected string // empty if nothing is expected
	Actual   string // empty if the token lacks the claim
	Result   Result
}

// Unmet returns the checks that failed. A policy is satisfied if and only if no check of [Policy.Compare] is unmet.
func Unmet(checks []Check) (unmet []Check) {
	for _, check := range checks {
		if check.Result == Different {
			unmet = append(unmet, check)
		}
	}
	return unmet
}

// Compare compares the claims with the policy. It is the only evaluator: the emulated vault decides with it, and the page
// explains refusals with it. If all alternatives fail, Compare returns the one with the fewest differences.
func (p Policy) Compare(claims Claims) []Check {
	issuer := Check{Claim: "iss", Result: Different}
	issuer.Actual, _ = claims.Text("iss")
	var best []Check
	for _, authority := range p.Authorities {
		if authority.URL == issuer.Actual {
			best = nearer(best, append(authority.compare(claims), check(claims, "iss", authority.URL)))
		}
	}
	if best != nil {
		return best
	}
	if len(p.Authorities) > 0 {
		issuer.Expected = p.Authorities[0].URL
	}
	return []Check{issuer}
}

func (c Condition) compare(claims Claims) (checks []Check) {
	switch {
	case len(c.All) > 0:
		for _, part := range c.All {
			checks = append(checks, part.compare(claims)...)
		}
	case len(c.Any) > 0:
		for _, part := range c.Any {
			checks = nearer(checks, part.compare(claims))
		}
	default:
		checks = []Check{check(claims, c.Claim, c.Equals)}
	}
	return checks
}

// nearer returns the list with fewer differences, the first in a tie.
func nearer(first, second []Check) []Check {
	if first == nil || len(Unmet(second)) < len(Unmet(first)) {
		return second
	}
	return first
}

func check(claims Claims, claim, expected string) Check {
	actual, comparable := claims.Text(claim)
	result := Different
	if comparable && claim != "" && actual == expected {
		result = Equal
	}
	return Check{Claim: claim, Expected: expected, Actual: actual, Result: result}
}
