package web

import (
	"io"
	"net/http"
	"time"
)

// evidenceJSON is what this pod says of itself, to be kept: no key, no token and no message.
type evidenceJSON struct {
	Made   string  `json:"made"`
	Note   string  `json:"note"`
	Key    keyJSON `json:"key"`
	Verify string  `json:"verify"`
	Counts struct {
		Decrypted  int `json:"decrypted"`
		Unreadable int `json:"unreadable"`
		Plain      int `json:"plain"`
	} `json:"counts"`
}

// evidence answers GET /api/key/evidence with a file.
func (s *Server) evidence(w http.ResponseWriter, _ *http.Request) {
	key, counts := s.key(), s.feed.glance().counts
	e := evidenceJSON{Made: rfc3339(time.Now()), Note: s.english().say("evidence.note"), Key: s.keyJSON(key), Verify: key.Verify}
	e.Counts.Decrypted, e.Counts.Unreadable, e.Counts.Plain = counts.Decrypted, counts.Unreadable, counts.Plain
	w.Header().Set("Content-Disposition", `attachment; filename="evidence.json"`)
	writeJSON(w, e)
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
