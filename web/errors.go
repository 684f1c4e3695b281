package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"kafka-e2ee/web/access"
)

// refuse answers a request that the guard refuses.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, reason access.Reason) {
	s.fail(w, r, status, string(reason))
}

// fail answers with the error that a code names: below /api/, for programs, in English and as JSON, else as plain text in
// the viewer's language.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, code string, pairs ...string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		failJSON(w, status, s.english().T("error."+code, pairs...))
		return
	}
	http.Error(w, s.language(r).T("error."+code, pairs...), status)
}

func failJSON(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errorJSON{text}) //nolint:errcheck // as in writeJSON
}

// errorJSON is the body of every error of the API.
type errorJSON struct {
	Error string `json:"error"`
}

// onlyMethods refuses other methods (RFC 9110, section 15.5.6).
func (s *Server) onlyMethods(methods string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(strings.Split(methods, ", "), r.Method) {
			w.Header().Set("Allow", methods)
			s.fail(w, r, http.StatusMethodNotAllowed, "method", "methods", methods)
			return
		}
		next(w, r)
	}
}
