package pages

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/safetext"
)

// attestationView compares this pod's own token with what is expected: in three cards, and claim by claim.
type attestationView struct {
	Shown    bool
	Open     bool // a claim explains the refusal
	Title    string
	Note     string
	Problem  string
	Expected card
	Measured card
	Match    card
	Claims   []claimView
	Download string
}

// card is a question and its short answer.
type card struct{ Title, Severity, Icon, Answer, More string }

type claimView struct {
	ID, Claim, Name, Severity, Icon, Result string
	Expected, Actual, About, Remedy         string
	Open                                    bool
}

// claimDebuggable is the claim that says whether the host can look into the pod.
const claimDebuggable = "x-ms-sevsnpvm-is-debuggable"

// Claim is the name of a claim in plain words. A claim without one keeps its own name.
func (l Localizer) Claim(name string) string {
	return cmp.Or(l.T("claim.name."+name), safetext.Visible(name))
}

// remedy says what to do if a claim differs.
func (l Localizer) remedy(claim string) string {
	return cmp.Or(l.T("claim.todo."+claim), l.T("claim.todo.any"))
}

func (l Localizer) attestation(k podstatus.Key, now time.Time) attestationView {
	a := k.Attestation
	if a.State == "" {
		return attestationView{}
	}
	v := attestationView{Shown: true, Open: k.Differs() != nil, Title: l.T("attestation.title." + string(a.State))}
	if v.Note = l.T("attestation.after"); k.State != podstatus.KeyReleased && k.State != podstatus.KeyUnexpected {
		v.Note = l.T("attestation.refused")
	}
	if a.Reason != "" {
		v.Problem = joinSentences(l.Cause(a.Reason), l.hint(a.Reason))
	}
	for _, result := range []podstatus.CheckResult{podstatus.CheckDifferent, podstatus.CheckEqual, podstatus.CheckNotChecked} { // the most important first
		for _, check := range a.Checks {
			if check.Result == result {
				v.Claims = append(v.Claims, l.claimView(check))
			}
		}
	}
	v.Expected, v.Measured, v.Match = l.expected(a), l.measured(a, now), l.match(a)
	if a.State != podstatus.AttestationFailed {
		v.Download = l.T("attestation.download")
	}
	return v
}

func (l Localizer) claimView(check podstatus.Check) claimView {
	c := claimView{
		ID: "claim-" + check.Claim, Claim: safetext.Visible(check.Claim), Name: l.Claim(check.Claim), Result: l.T("check.result." + string(check.Result)),
		Expected: cmp.Or(safetext.Visible(check.Expected), l.T("check.nothing")), Actual: cmp.Or(safetext.Visible(check.Actual), l.T("check.unstated")),
		About: l.T("claim.about." + check.Claim), Open: check.Result == podstatus.CheckDifferent,
	}
	c.Severity, c.Icon = checkSeverity(check.Result)
	if check.Result == podstatus.CheckDifferent {
		c.Remedy = l.remedy(check.Claim)
	}
	return c
}

// results returns the claims whose checks have a result.
func results(a podstatus.Attestation, result podstatus.CheckResult) (names []string) {
	for _, check := range a.Checks {
		if check.Result == result {
			names = append(names, check.Claim)
		}
	}
	return names
}

func (l Localizer) expected(a podstatus.Attestation) card {
	c := card{Title: l.T("card.expected"), Severity: "neutral", Answer: l.T("card.expected_nothing"), More: l.T("attestation.alone")}
	if a.Compared {
		n := 0
		for _, check := range a.Checks {
			if check.Expected != "" {
				n++
			}
		}
		c.Answer, c.More = l.N("card.expected_claims", n), l.T("attestation.compared")
	}
	return c
}

func (l Localizer) measured(a podstatus.Attestation, now time.Time) card {
	c := card{Title: l.T("card.measured"), Severity: "neutral"}
	if a.State == podstatus.AttestationFailed {
		c.Answer = l.T("card.measured_by.failed")
		return c
	}
	c.Answer = l.T("card.measured_by." + string(a.State))
	c.More = l.T("attestation.times", "issued", clock(a.Issued, now), "expires", clock(a.Expires, now))
	return c
}

func (l Localizer) match(a podstatus.Attestation) card {
	equal, differ := results(a, podstatus.CheckEqual), results(a, podstatus.CheckDifferent)
	c := card{Title: l.T("card.match")}
	switch {
	case len(differ) > 0:
		names := make([]string, len(differ))
		for i, claim := range differ {
			names[i] = l.Claim(claim)
		}
		c.Severity, c.Icon = checkSeverity(podstatus.CheckDifferent)
		c.Answer, c.More = l.N("card.match_no", len(differ), "all", strconv.Itoa(len(equal)+len(differ))), strings.Join(names, " · ")
	case len(equal) > 0:
		c.Severity, c.Icon = checkSeverity(podstatus.CheckEqual)
		c.Answer, c.More = l.N("card.match_yes", len(equal)), l.T("card.match_vault")
	default:
		c.Severity, c.Icon = checkSeverity(podstatus.CheckNotChecked)
		c.Answer = l.T("card.match_unknown")
	}
	return c
}
