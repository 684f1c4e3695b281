package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// memory is what a connection has proven: the mark of a name and a password. Checking a password is slow on purpose,
// and a page makes many requests. That it belongs to one connection is why a guess on another one gains nothing by it.
type memory struct {
	mark atomic.Pointer[[sha256.Size]byte]
}

// memoryKey is where a connection's context keeps its memory.
type memoryKey struct{}

func withMemory(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, memoryKey{}, new(memory))
}

// deskTime is how long a password may wait for those before it.
const deskTime = 10 * time.Second

// signIn checks a name and a password (HTTP Basic, RFC 7617), and answers where they are not right.
func (d *door) signIn(w http.ResponseWriter, r *http.Request, u *users) bool {
	name, password, given := r.BasicAuth()
	if !given {
		ask(w) // a browser's first request; nothing was wrong with it
		return false
	}
	proven, ok := r.Context().Value(memoryKey{}).(*memory)
	if !ok {
		proven = new(memory)
	}
	mark := u.mark(name, password)
	if proven.holds(mark) {
		return true
	}
	from, who := "address "+network(r.RemoteAddr), "name "+name
	if wait := d.tries.wait(from, who); wait > 0 {
		d.slowDown(w, wait)
		return false
	}
	select {
	case d.desk <- struct{}{}:
		defer func() { <-d.desk }()
	case <-r.Context().Done():
		return false
	case <-time.After(deskTime):
		d.slowDown(w, deskTime)
		return false
	}
	if proven.holds(mark) {
		return true // another request of this connection was before us
	}
	if wait := d.tries.wait(from, who); wait > 0 {
		d.slowDown(w, wait)
		return false
	}
	if !u.match(name, password) {
		d.tries.failed(from, who)
		d.refused.WithLabelValues(refusedPassword).Inc()
		ask(w)
		return false
	}
	proven.mark.Store(&mark)
	return true
}

func (m *memory) holds(mark [sha256.Size]byte) bool {
	held := m.mark.Load()
	return held != nil && hmac.Equal(held[:], mark[:])
}

func ask(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="kafka-e2ee", charset="UTF-8"`)
	http.Error(w, "this page wants a name and a password", http.StatusUnauthorized)
}

func (d *door) slowDown(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	d.refuse(w, http.StatusTooManyRequests, refusedThrottle, "too many wrong passwords: try again later")
}

// network is who is behind an address: with IPv6 whoever has one has all of a /64.
func network(remote string) string {
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
