package web

import (
	"net"
	"net/http"
	"strings"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/safetext"
)

// Attested is the page's second address, over TLS with a key that belongs to this process. Viewers can verify that an
// attestation covers the key.
type Attested struct {
	Key      *access.AttestedKey
	Document http.Handler // answers GET /.well-known/attestation
	Ready    func() bool  // whether there is an attestation for the key; must not block
	Addr     string       // that the page is served at, for its port
	Command  string       // that verifies the page from outside; empty: made from the first host and the port
}

// AttestedListener wraps the listener of the attested address, which the HTTPServer serves as well: with TLS, and with a
// limit on open connections. Options.Attested must be set.
func (s *Server) AttestedListener(l net.Listener) net.Listener {
	return s.guard.AttestedListener(l, s.attested.Key)
}

// serveDocument answers GET /.well-known/attestation at the attested address. It wants no sign-in and no client
// certificate: the document tells a viewer whom to give them to.
func (s *Server) serveDocument(next http.Handler) http.Handler {
	if s.attested == nil {
		return next
	}
	document := s.guard.CheckHost(s.guard.LimitRequests(s.onlyMethods("GET", s.attested.Document.ServeHTTP)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := access.AttestedSPKI(r.Context()); ok && r.URL.Path == "/.well-known/attestation" {
			document.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) connection(l pages.Localizer, r *http.Request) pages.ConnectionView {
	key := s.key()
	if _, attested := access.AttestedSPKI(r.Context()); attested && s.attested.Ready() {
		return pages.ConnectionView{Way: l.T("connection.attested"), Command: s.verifyCommand(), Source: s.verifySource(l)}
	}
	way := s.way(r)
	view := pages.ConnectionView{Way: l.T("connection." + way), Unproven: l.Unproven(key), Command: key.Verify}
	if way != "no_attestation" && s.attested != nil && s.attested.Ready() {
		view.Unproven, view.Command, view.Source = l.T("connection.elsewhere"), s.verifyCommand(), s.verifySource(l)
	}
	return view
}

// way returns the id of the text that says what an unattested connection is worth.
func (s *Server) way(r *http.Request) string {
	_, attested := access.AttestedSPKI(r.Context())
	switch {
	case attested:
		return "no_attestation"
	case s.guard.TLS():
		return "tls"
	default:
		return "plain"
	}
}

// verifyCommand returns the command that verifies the page's attestation from outside. Its host is from the settings and
// never from the request, whose sender may be the one to verify.
func (s *Server) verifyCommand() string {
	if s.attested == nil {
		return ""
	}
	if s.attested.Command != "" {
		return safetext.Visible(s.attested.Command)
	}
	host := s.hosts[0]
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if _, port, err := net.SplitHostPort(s.attested.Addr); err == nil && port != "443" {
		host += ":" + port
	}
	return "verify -policy FILE https://" + host
}

// verifySource says where to take the command's program and files from, and what the page cannot know of the address.
func (s *Server) verifySource(l pages.Localizer) string {
	if s.attested != nil && s.attested.Command != "" {
		return l.T("connection.source_given")
	}
	return l.T("connection.source")
}
