package web

import (
	"cmp"
	"strconv"
	"strings"
)

// attestationView is what this pod's own token says, beside what is expected:
// three cards, and the claims one by one.
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
type card struct{ Title, Tone, Icon, Answer, More string }

type claimView struct {
	ID, Claim, Name, Tone, Icon, Result string
	Expected, Actual, About, Remedy     string
	Open                                bool
}

// claim is a claim in plain words; one that has none keeps its own name.
func (w words) claim(name string) string { return cmp.Or(w.say("claim."+name), visible(name)) }

// remedy is what to do where a claim differs.
func (w words) remedy(claim string) string { return cmp.Or(w.say("remedy."+claim), w.say("remedy")) }

func (w words) attestation(k KeyStatus) attestationView {
	a := k.Attestation
	if a.State == "" {
		return attestationView{}
	}
	v := attestationView{Shown: true, Open: k.differs() != nil, Title: w.say("attestation." + string(a.State))}
	if v.Note = w.say("attestation.after"); k.State != KeyReleased {
		v.Note = w.say("attestation.refused")
	}
	if a.Reason != "" {
		v.Problem = joined(sentence(w.phrase(a.Reason)), w.phrase(a.Hint))
	}
	for _, result := range []CheckResult{CheckDifferent, CheckEqual, CheckNotChecked} { // what matters stands first
		for _, check := range a.Checks {
			if check.Result == result {
				v.Claims = append(v.Claims, w.claimView(check))
			}
		}
	}
	v.Expected, v.Measured, v.Match = w.expected(a), w.measured(a), w.match(a)
	if a.State != AttestationFailed {
		v.Download = w.say("attestation.download")
	}
	return v
}

func (w words) claimView(check Check) claimView {
	c := claimView{
		ID: "claim-" + check.Claim, Claim: visible(check.Claim), Name: w.claim(check.Claim), Result: w.say("check." + string(check.Result)),
		Expected: cmp.Or(visible(check.Expected), w.say("check.nothing")), Actual: cmp.Or(visible(check.Actual), w.say("check.unstated")),
		About: w.say("about." + check.Claim), Open: check.Result == CheckDifferent,
	}
	c.Tone, c.Icon = tone(check.Result)
	if check.Result == CheckDifferent {
		c.Remedy = w.remedy(check.Claim)
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

func (w words) expected(a Attestation) card {
	c := card{Title: w.say("card.expected"), Tone: "still", Answer: w.say("card.expected.nothing"), More: w.say("attestation.alone")}
	if a.Compared {
		n := 0
		for _, check := range a.Checks {
			if check.Expected != "" {
				n++
			}
		}
		c.Answer, c.More = w.say("card.expected.claims", "n", strconv.Itoa(n)), w.say("attestation.compared")
	}
	return c
}

func (w words) measured(a Attestation) card {
	c := card{Title: w.say("card.measured"), Tone: "still"}
	if a.State == AttestationFailed {
		c.Answer = w.say("card.measured.failed")
		return c
	}
	c.Answer = w.say("card.measured." + string(a.State))
	c.More = w.say("attestation.times", "issued", clock(a.Issued), "expires", clock(a.Expires))
	return c
}

func (w words) match(a Attestation) card {
	equal, differ := a.results(CheckEqual), a.results(CheckDifferent)
	c := card{Title: w.say("card.match")}
	switch {
	case len(differ) > 0:
		names := make([]string, len(differ))
		for i, claim := range differ {
			names[i] = w.claim(claim)
		}
		c.Tone, c.Icon = tone(CheckDifferent)
		c.Answer, c.More = w.say("card.match.no", "n", strconv.Itoa(len(differ)), "all", strconv.Itoa(len(equal)+len(differ))), strings.Join(names, " · ")
	case len(equal) > 0:
		c.Tone, c.Icon = tone(CheckEqual)
		c.Answer, c.More = w.say("card.match.yes", "n", strconv.Itoa(len(equal))), w.say("card.match.vault")
	default:
		c.Tone, c.Icon = tone(CheckNotChecked)
		c.Answer = w.say("card.match.unknown")
	}
	return c
}
