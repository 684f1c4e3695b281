package web

import (
	"io"
	"net/http"
)

// attestationView is what this pod's own token says, beside what is expected.
type attestationView struct {
	Shown                    bool
	Open                     bool // a claim explains the refusal
	Title, Note, Copy        string
	Problem, Times, Download string
	Columns                  [4]string
	Checks                   []checkView
}

type checkView struct{ Name, Claim, Expected, Actual, Tone, Icon, Result string }

// claim is a claim in plain words; one that has none keeps its own name.
func (w words) claim(name string) string {
	if text := w.say("claim." + name); text != "" {
		return text
	}
	return name
}

func (s *Server) attestation(k KeyStatus) attestationView {
	a, w := k.Attestation, s.words
	if a.State == "" {
		return attestationView{}
	}
	v := attestationView{
		Shown: true, Open: k.differs() != nil, Title: w.say("attestation." + string(a.State)), Note: w.say("attestation.after"),
		Columns: [4]string{w.say("check.claim"), w.say("check.expected"), w.say("check.actual"), w.say("check.result")},
	}
	if a.Reason != "" {
		v.Problem = joined(sentence(a.Reason), a.Hint)
	}
	if a.State != AttestationFailed {
		v.Times = w.say("attestation.times", "issued", clock(a.Issued), "expires", clock(a.Expires))
		v.Download = w.say("attestation.download")
		v.Copy = w.say("attestation.alone")
		if a.Compared {
			v.Copy = w.say("attestation.compared")
		}
	}
	for _, check := range a.Checks {
		c := checkView{Name: w.claim(check.Claim), Claim: check.Claim, Expected: check.Expected, Actual: check.Actual, Result: w.say("check." + string(check.Result))}
		if check.Expected == "" {
			c.Expected = w.say("check.nothing")
		}
		if check.Actual == "" {
			c.Actual = w.say("check.unstated")
		}
		c.Tone, c.Icon = tone(check.Result)
		v.Checks = append(v.Checks, c)
	}
	return v
}

// downloadToken answers GET /api/key/token with this pod's own token, which no
// vault releases a key for.
func (s *Server) downloadToken(w http.ResponseWriter, _ *http.Request) {
	token, there := s.token()
	if !there {
		http.Error(w, "there is no attestation token", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Header().Set("Content-Disposition", `attachment; filename="attestation.jwt"`)
	_, _ = io.WriteString(w, token) //nolint:errcheck // the viewer has gone; there is no one to tell
}

// askAgain answers POST /api/key/check from a page of this site. What follows
// shows on the page.
func (s *Server) askAgain(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "requests from other sites are refused", http.StatusForbidden)
		return
	}
	s.again()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
