package web

import (
	"net/http"
	"slices"
	"strings"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/problem"
)

// refuse answers a request that the guard refuses.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, reason access.Reason) {
	s.fail(w, r, status, string(reason))
}

// fail answers with the error that a code names: for programs as a problem in English, else as plain text in the viewer's
// language.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, code string, pairs ...string) {
	if forPrograms(r.URL.Path) {
		problem.Write(w, status, code, s.english().T("error."+code, pairs...))
		return
	}
	http.Error(w, s.language(r).T("error."+code, pairs...), status)
}

// forPrograms reports whether programs ask for a path.
func forPrograms(path string) bool {
	return path == "/api" || strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/.well-known/")
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
