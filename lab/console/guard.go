package console

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
)

// hosts are the names under which the console is reached. Another name in the Host header means that another site's name
// was pointed here (DNS rebinding).
func hosts(port string) []string {
	all := []string{net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	if port == "80" {
		all = append(all, "localhost", "127.0.0.1", "[::1]")
	}
	return all
}

// guard serves only this computer's own viewers: the peer and the Host header are loopback, and no page of another origin
// makes the request. A pod's page is another origin: its port differs. In a container the peer may be the network's
// gateway, too, if it is valid.
func guard(port string, gateway netip.Addr, refuse func(w http.ResponseWriter, r *http.Request, reason string), next http.Handler) http.Handler {
	allowed := hosts(port)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !local(r.RemoteAddr, gateway):
			refuse(w, r, "peer")
		case !slices.Contains(allowed, r.Host):
			refuse(w, r, "host")
		case !sameOrigin(r):
			refuse(w, r, "origin")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func local(remote string, gateway netip.Addr) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	return addr.IsLoopback() || gateway.IsValid() && addr == gateway
}

// sameOrigin reports whether this page itself, or its viewer, makes the request. Browsers say so in Sec-Fetch-Site and, if
// the request changes something, in Origin: without either, nothing is changed.
func sameOrigin(r *http.Request) bool {
	site, origin := r.Header.Values("Sec-Fetch-Site"), r.Header.Values("Origin")
	own := len(origin) == 1 && origin[0] == "http://"+r.Host
	if len(origin) > 0 && !own || len(site) > 1 {
		return false
	}
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case len(site) == 0:
		return read || own
	case site[0] == "same-origin":
		return true
	default:
		return site[0] == "none" && read // an address that the viewer entered
	}
}
