package web

import (
	"cmp"
	"strconv"
	"strings"
	"time"

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

// claim is the name of a claim in plain words. A claim without one keeps its own name.
func (l localizer) claim(name string) string {
	return cmp.Or(l.T("claim.name."+name), safetext.Visible(name))
}

// remedy says what to do if a claim differs.
func (l localizer) remedy(claim string) string {
	return cmp.Or(l.T("claim.todo."+claim), l.T("claim.todo.any"))
}

func (l localizer) attestation(k KeyStatus, now time.Time) attestationView {
	a := k.Attestation
	if a.State == "" {
		return attestationView{}
	}
	v := attestationView{Shown: true, Open: k.differs() != nil, Title: l.T("attestation.title." + string(a.State))}
	if v.Note = l.T("attestation.after"); k.State != KeyReleased && k.State != KeyUnexpected {
		v.Note = l.T("attestation.refused")
	}
	if a.Reason != "" {
		v.Problem = joinSentences(l.cause(a.Reason), l.hint(a.Reason))
	}
	for _, result := range []CheckResult{CheckDifferent, CheckEqual, CheckNotChecked} { // the most important first
		for _, check := range a.Checks {
			if check.Result == result {
				v.Claims = append(v.Claims, l.claimView(check))
			}
		}
	}
	v.Expected, v.Measured, v.Match = l.expected(a), l.measured(a, now), l.match(a)
	if a.State != AttestationFailed {
		v.Download = l.T("attestation.download")
	}
	return v
}

func (l localizer) claimView(check Check) claimView {
	c := claimView{
		ID: "claim-" + check.Claim, Claim: safetext.Visible(check.Claim), Name: l.claim(check.Claim), Result: l.T("check.result." + string(check.Result)),
		Expected: cmp.Or(safetext.Visible(check.Expected), l.T("check.nothing")), Actual: cmp.Or(safetext.Visible(check.Actual), l.T("check.unstated")),
		About: l.T("claim.about." + check.Claim), Open: check.Result == CheckDifferent,
	}
	c.Severity, c.Icon = checkSeverity(check.Result)
	if check.Result == CheckDifferent {
		c.Remedy = l.remedy(check.Claim)
	}
	return c
}

func (a Attestation) results(result CheckResult) (names []string) {
	for _, check := range a.Checks {
		if check.Result == result {
			names = append(names, check.Claim)
		}
	}
	return names
}

func (l localizer) expected(a Attestation) card {
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

func (l localizer) measured(a Attestation, now time.Time) card {
	c := card{Title: l.T("card.measured"), Severity: "neutral"}
	if a.State == AttestationFailed {
		c.Answer = l.T("card.measured_by.failed")
		return c
	}
	c.Answer = l.T("card.measured_by." + string(a.State))
	c.More = l.T("attestation.times", "issued", clock(a.Issued, now), "expires", clock(a.Expires, now))
	return c
}

func (l localizer) match(a Attestation) card {
	equal, differ := a.results(CheckEqual), a.results(CheckDifferent)
	c := card{Title: l.T("card.match")}
	switch {
	case len(differ) > 0:
		names := make([]string, len(differ))
		for i, claim := range differ {
			names[i] = l.claim(claim)
		}
		c.Severity, c.Icon = checkSeverity(CheckDifferent)
		c.Answer, c.More = l.N("card.match_no", len(differ), "all", strconv.Itoa(len(equal)+len(differ))), strings.Join(names, " · ")
	case len(equal) > 0:
		c.Severity, c.Icon = checkSeverity(CheckEqual)
		c.Answer, c.More = l.N("card.match_yes", len(equal)), l.T("card.match_vault")
	default:
		c.Severity, c.Icon = checkSeverity(CheckNotChecked)
		c.Answer = l.T("card.match_unknown")
	}
	return c
}
