package web

import (
	"io"
	"net/http"
	"time"

	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/podstatus"
)

type keyJSON struct {
	State       podstatus.KeyState `json:"state"`
	Keys        []keyInfoJSON      `json:"keys"`
	ExpectedIDs []string           `json:"expected_key_ids"`
	Held        []heldKeyJSON      `json:"held_keys"`
	Since       string             `json:"since"`
	Confirmed   string             `json:"confirmed"`
	Attempts    int                `json:"attempts"`
	Reason      string             `json:"reason"`
	NextAttempt string             `json:"next_attempt"`
	Checks      []checkJSON        `json:"checks"`
	Attestation tokenJSON          `json:"attestation"`
}

type checkJSON struct {
	Claim    string                `json:"claim"`
	Name     string                `json:"name"`
	Expected string                `json:"expected"`
	Actual   string                `json:"actual"`
	Result   podstatus.CheckResult `json:"result"`
}

// tokenJSON describes the attestation token that was checked.
type tokenJSON struct {
	State   podstatus.AttestationState `json:"state"`
	Reason  string                     `json:"reason"`
	Issued  string                     `json:"issued"`
	Expires string                     `json:"expires"`
}

type keyInfoJSON struct {
	KeyName string             `json:"key_name"`
	KeyID   string             `json:"key_id"`
	State   podstatus.KeyState `json:"state"`
	// UnexpectedKeyID is the id of a key that was released under this name and is not used; empty if there is none.
	UnexpectedKeyID string `json:"unexpected_key_id"`
}

// heldKeyJSON is a key that records are decrypted with.
type heldKeyJSON struct {
	KeyID string `json:"key_id"`
	Since string `json:"since"`
}

// keyStatus answers GET /api/key.
func (s *Server) keyStatus(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.keyJSON(s.key())) }

func (s *Server) keyJSON(k podstatus.Key) keyJSON {
	l := s.english()
	answer := keyJSON{
		State: k.State, Keys: []keyInfoJSON{}, Held: []heldKeyJSON{}, ExpectedIDs: append([]string{}, k.ExpectedIDs...), Since: pages.RFC3339(k.Since), Attempts: k.Attempts, Checks: []checkJSON{},
		Reason: l.KeyReason(k),
	}
	if !k.NextAttempt.IsZero() {
		answer.NextAttempt = pages.RFC3339(k.NextAttempt)
	}
	if !k.Confirmed.IsZero() {
		answer.Confirmed = pages.RFC3339(k.Confirmed)
	}
	for _, key := range k.Held {
		answer.Held = append(answer.Held, heldKeyJSON{key.ID, pages.RFC3339(key.Since)})
	}
	for _, key := range k.Keys {
		answer.Keys = append(answer.Keys, keyInfoJSON{key.Name, key.ID, key.State, key.UnexpectedID})
	}
	for _, check := range k.Attestation.Checks {
		answer.Checks = append(answer.Checks, checkJSON{check.Claim, l.Claim(check.Claim), check.Expected, check.Actual, check.Result})
	}
	answer.Attestation = tokenJSON{State: k.Attestation.State, Reason: l.Cause(k.Attestation.Reason)}
	if !k.Attestation.Issued.IsZero() {
		answer.Attestation.Issued, answer.Attestation.Expires = pages.RFC3339(k.Attestation.Issued), pages.RFC3339(k.Attestation.Expires)
	}
	return answer
}

// evidenceJSON is a statement of this pod about itself, to archive. It holds no key, token or message.
type evidenceJSON struct {
	Made   string  `json:"made"`
	Note   string  `json:"note"`
	Key    keyJSON `json:"key"`
	Verify string  `json:"verify"`
	Counts struct {
		Decrypted  int `json:"decrypted"`
		Unreadable int `json:"unreadable"` // locked and failed
		Locked     int `json:"locked"`
		Failed     int `json:"failed"`
		Plain      int `json:"plain"`
		Tombstones int `json:"tombstones"`
		Rejected   int `json:"rejected"`
	} `json:"counts"`
}

// evidence answers GET /api/key/evidence with a file.
func (s *Server) evidence(w http.ResponseWriter, _ *http.Request) {
	key, counts := s.key(), s.feed.Summary(s.preferVerified).Counts
	e := evidenceJSON{Made: pages.RFC3339(time.Now()), Note: s.english().T("attestation.evidence_note"), Key: s.keyJSON(key), Verify: key.Verify}
	e.Counts.Decrypted, e.Counts.Plain, e.Counts.Tombstones, e.Counts.Rejected = counts.Decrypted, counts.Plain, counts.Tombstones, counts.Rejected
	e.Counts.Locked, e.Counts.Failed, e.Counts.Unreadable = counts.Locked, counts.Failed, counts.Locked+counts.Failed
	w.Header().Set("Content-Disposition", `attachment; filename="evidence.json"`)
	writeJSON(w, e)
}

// downloadToken answers GET /api/key/token with this pod's own token. No vault releases a key for it.
func (s *Server) downloadToken(w http.ResponseWriter, r *http.Request) {
	token, there := s.token()
	if !there {
		s.fail(w, r, http.StatusNotFound, "no_token")
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Header().Set("Content-Disposition", `attachment; filename="attestation.jwt"`)
	_, _ = io.WriteString(w, token) //nolint:errcheck // the viewer has gone
}

// checkKeys answers POST /api/key/check from this page only. The result shows on the page.
func (s *Server) checkKeys(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		s.fail(w, r, http.StatusForbidden, "cross_site")
		return
	}
	s.refreshKeys()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
