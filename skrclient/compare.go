package skrclient

import (
	"cmp"
	"fmt"
	"slices"

	"kafka-e2ee/skrclient/policy"
)

// ReadPolicyFile reads a copy of a key's release policy. It is for display: the vault uses its own.
func ReadPolicyFile(path string) (*policy.Policy, error) {
	text, err := readFile(path, policy.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("reading release policy: %w", err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// displayedClaims are the claims worth displaying, in the order of a page.
func displayedClaims() []string {
	const snp = "x-ms-sevsnpvm-"
	return []string{
		policy.ClaimType, policy.ClaimCompliance, policy.ClaimHostData, policy.ClaimDebug, policy.ClaimVMPL, snp + "launchmeasurement",
		snp + "bootloader-svn", snp + "tee-svn", snp + "snpfw-svn", snp + "microcode-svn", "iss",
	}
}

// Compare compares the token's claims with the policy, as [policy.Policy.Compare] does, and adds the other claims worth
// displaying. A nil policy expects nothing. If the token was not checked, neither is any claim.
func (a *Attestation) Compare(expected *policy.Policy) []policy.Check {
	var checks []policy.Check
	if expected != nil {
		checks = expected.Compare(a.claims)
	}
	displayed := displayedClaims()
	for _, claim := range displayed {
		if !slices.ContainsFunc(checks, func(check policy.Check) bool { return check.Claim == claim }) {
			actual, _ := a.claims.Text(claim)
			checks = append(checks, policy.Check{Claim: claim, Actual: actual, Result: policy.NotChecked})
		}
	}
	place := func(check policy.Check) uint { return uint(slices.Index(displayed, check.Claim)) } // others, at -1, come last
	slices.SortStableFunc(checks, func(a, b policy.Check) int { return cmp.Compare(place(a), place(b)) })
	if !a.Checked {
		for i := range checks {
			checks[i].Result = policy.NotChecked
		}
	}
	return checks
}
