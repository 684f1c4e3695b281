package web

import (
	"net/http"

	"kafka-e2ee/web/access"
)

// secureHeaders sets the headers of [access.SecureHeaders], and refuses cross-site requests.
func (s *Server) secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SecureHeaders(w.Header())
		if crossSite(r) {
			s.fail(w, r, http.StatusForbidden, "cross_site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// crossSite reports whether a page of another origin makes the request (W3C Fetch Metadata Request Headers), unless a
// person followed a link to here. Frames, objects and embeds navigate too, but within that other page.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site": // another port of this host is same-site
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	default:
		return false
	}
}
