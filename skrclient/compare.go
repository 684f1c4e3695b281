package skrclient

import "slices"

// Result says how a claim stands to a policy.
type Result string

// The results.
const (
	Equal      Result = "equal"
	Different  Result = "different"
	NotChecked Result = "not_checked" // nothing is expected, or the token's signature could not be checked
)

// Check is one claim of a token beside what is expected of it.
type Check struct {
	Claim    string // as in the token, such as x-ms-sevsnpvm-hostdata
	Expected string // empty if nothing is
	Actual   string // empty if the token does not say
	Result   Result
}

// Compare puts the token's claims beside what the policy asks; without a policy nothing is expected. The policy is
// satisfied if and only if the token was checked and no claim is [Different]. Of alternatives that all fail, those are
// shown that differ the least.
func (a *Attestation) Compare(policy *Policy) []Check {
	var expected []Check
	if policy != nil {
		expected = policy.compare(a.tree)
	}
	var checks []Check
	for _, claim := range shown() {
		mine := func(check Check) bool { return check.Claim == claim }
		if at := slices.IndexFunc(expected, mine); at >= 0 {
			for _, check := range expected {
				if mine(check) {
					checks = append(checks, check)
				}
			}
			expected = slices.DeleteFunc(expected, mine)
			continue
		}
		value, _ := a.tree.lookup(claim)
		actual, _ := plain(value)
		checks = append(checks, Check{Claim: claim, Actual: actual, Result: NotChecked})
	}
	checks = append(checks, expected...)
	if !a.Checked {
		for i := range checks {
			checks[i].Result = NotChecked
		}
	}
	return checks
}

func (p *Policy) compare(tree claimTree) []Check {
	var best []Check
	issuer := as[string](tree, "iss")
	for _, entry := range p.entries {
		if entry.authority == issuer {
			best = nearer(best, append(entry.condition.compare(tree), check(tree, "iss", entry.authority)))
		}
	}
	if best == nil {
		return []Check{check(tree, "iss", p.entries[0].authority)}
	}
	return best
}

func (c condition) compare(tree claimTree) []Check {
	if c.claim != "" {
		return []Check{check(tree, c.claim, c.equals)}
	}
	var all, best []Check
	for _, part := range c.all {
		all = append(all, part.compare(tree)...)
	}
	for _, part := range c.any {
		best = nearer(best, part.compare(tree))
	}
	return append(all, best...) // one of them is empty
}

// nearer returns the list in which fewer claims differ, the first if both are as near.
func nearer(first, second []Check) []Check {
	different := func(checks []Check) (n int) {
		for _, check := range checks {
			if check.Result == Different {
				n++
			}
		}
		return n
	}
	if first == nil || different(second) < different(first) {
		return second
	}
	return first
}

func check(tree claimTree, claim, expected string) Check {
	value, there := tree.lookup(claim)
	actual, comparable := plain(value)
	result := Different
	if there && comparable && actual == expected {
		result = Equal
	}
	return Check{Claim: claim, Expected: expected, Actual: actual, Result: result}
}
