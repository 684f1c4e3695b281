package access

import (
	"context"
	"crypto/hmac"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// verified is the name and password that a connection has signed in with, as a MAC; nil if there is none. A page makes
// many requests, and each check of a password is slow on purpose. It belongs to one connection, so it does not help
// anyone who guesses over another.
type verified = atomic.Pointer[passwordMAC]

// verifiedKey is the key of a connection's context for its verified.
type verifiedKey struct{}

// ConnContext is the [http.Server]'s ConnContext. Without it, each request has its password checked again, and no
// connection counts as one of the attested address.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return withAttestedKey(context.WithValue(ctx, verifiedKey{}, new(verified)), conn)
}

// queueTimeout is how long a request may wait for its password to be checked.
const queueTimeout = 10 * time.Second

// signIn checks a name and a password (HTTP Basic, RFC 7617). It answers the request if they are wrong.
func (g *Guard) signIn(w http.ResponseWriter, r *http.Request, u *users) bool {
	name, password, given := r.BasicAuth()
	if !given {
		g.askPassword(w)
		g.writeRefusal(w, r, http.StatusUnauthorized, NotSignedIn) // not counted: every browser's first request is such a one
		return false
	}
	signedIn, ok := r.Context().Value(verifiedKey{}).(*verified)
	if !ok {
		signedIn = new(verified)
	}
	mac := u.mac(name, password)
	if signedInAs(signedIn, mac) {
		return true
	}
	from, who := "address "+Network(r.RemoteAddr), "name "+name
	if wait := g.passwords.wait(from, who); wait > 0 {
		g.slowDown(w, r, wait)
		return false
	}
	select {
	case g.bcryptQueue <- struct{}{}:
		defer func() { <-g.bcryptQueue }()
	default:
		g.slowDown(w, r, queueTimeout)
		return false
	}
	select {
	case g.bcryptSem <- struct{}{}:
		defer func() { <-g.bcryptSem }()
	case <-r.Context().Done():
		return false
	case <-time.After(queueTimeout):
		g.slowDown(w, r, queueTimeout)
		return false
	}
	if signedInAs(signedIn, mac) {
		return true // another request of this connection signed in while this one waited
	}
	if wait := g.passwords.wait(from, who); wait > 0 {
		g.slowDown(w, r, wait)
		return false
	}
	if !u.match(name, password) {
		g.passwords.count(from, who)
		g.askPassword(w)
		g.Refuse(w, r, http.StatusUnauthorized, NotSignedIn)
		return false
	}
	signedIn.Store(&mac)
	return true
}

func signedInAs(v *verified, mac passwordMAC) bool {
	last := v.Load()
	return last != nil && hmac.Equal(last[:], mac[:])
}

func (g *Guard) askPassword(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="kafka-e2ee", charset="UTF-8"`)
}

func (g *Guard) slowDown(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	g.Refuse(w, r, http.StatusTooManyRequests, TooManyPasswords)
}

// Network returns the address range that belongs to one viewer, given a request's RemoteAddr: an IPv4 address, or an IPv6
// /64.
func Network(remote string) string {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// Viewer returns who makes a request that [Guard.Authenticate] has let through: the name that signed in, and the subject of
// the client certificate. Each is empty if the page does not ask for it: nobody has checked it then.
func Viewer(r *http.Request) (name, certificate string) {
	c, ok := r.Context().Value(credentialsKey{}).(*credentials)
	if !ok {
		return "", ""
	}
	if c.users != nil {
		name, _, _ = r.BasicAuth()
	}
	if c.clientRoots != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		certificate = r.TLS.PeerCertificates[0].Subject.String()
	}
	return name, certificate
}
