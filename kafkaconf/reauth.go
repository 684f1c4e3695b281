package kafkaconf

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A broker can limit how long a client stays signed in (connections.max.reauth.ms, or until its token expires). It closes
// the connection at the first request after that. So the client signs in again earlier, on the same connection (KIP-368)
// and with the current content of the files: no request fails, and no record is sent twice.

// reauthConn is a connection that signs in again when that is due. Every Write must be one whole request that has a
// response, as all requests of this project are.
type reauthConn struct {
	net.Conn
	signIn  func(net.Conn) (lifetime time.Duration, err error)
	timeout time.Duration // of the responses that are pending when signing in is due

	writeMu sync.Mutex
	due     time.Time

	mu      sync.Mutex
	pending int           // responses
	idle    chan struct{} // closed once no response is pending; nil if nobody waits for that
	readErr error

	frames frameReader // of what the broker sends
}

func newReauthConn(conn net.Conn, lifetime, timeout time.Duration, signIn func(net.Conn) (time.Duration, error)) *reauthConn {
	return &reauthConn{Conn: conn, signIn: signIn, timeout: timeout, due: time.Now().Add(reauthAfter(lifetime))}
}

// reauthAfter returns when to sign in again: early enough for a slow network, and at random, so that clients do not all
// do so at once. Kafka's Java client does the same.
func reauthAfter(lifetime time.Duration) time.Duration {
	const shortest = time.Second
	return max(time.Duration(float64(lifetime)*(0.85+0.1*rand.Float64())), shortest) //nolint:gosec // jitter needs no secrecy
}

// Write sends one request. If signing in again is due, it does that first.
func (r *reauthConn) Write(request []byte) (int, error) {
	if len(request) < 4 || int64(binary.BigEndian.Uint32(request))+4 != int64(len(request)) {
		return 0, errors.New("writing to Kafka: a request in parts")
	}
	r.writeMu.Lock()
	defer r.writeMu.Unlock()
	if !time.Now().Before(r.due) {
		if err := r.reauthenticate(); err != nil {
			_ = r.Close() //nolint:errcheck // the connection is unusable
			return 0, err
		}
	}
	r.mu.Lock()
	r.pending++
	r.mu.Unlock()
	return r.Conn.Write(request)
}

// reauthenticate waits for all pending responses, since signing in allows no other request, and signs in again.
func (r *reauthConn) reauthenticate() error {
	idle := make(chan struct{})
	r.mu.Lock()
	if r.pending == 0 || r.readErr != nil {
		close(idle)
	} else {
		r.idle = idle
	}
	r.mu.Unlock()
	timeout := time.NewTimer(r.timeout)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
		return errors.New("signing in again: a response is late")
	}
	r.mu.Lock()
	err := r.readErr
	r.mu.Unlock()
	if err != nil {
		return err
	}
	lifetime, err := r.signIn(r.Conn)
	if err != nil {
		return err
	}
	r.due = time.Now().Add(reauthAfter(lifetime))
	if lifetime == 0 { // no limit any more
		r.due = time.Now().Add(forever)
	}
	return r.SetWriteDeadline(time.Now().Add(r.timeout)) // the caller's deadline may have passed
}

// forever is longer than any connection lasts.
const forever = 100 * 365 * 24 * time.Hour

// Read reads responses and counts them.
func (r *reauthConn) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	ended := 0
	r.frames.read(p[:n], func(_ []byte, last bool) {
		if last {
			ended++
		}
	})
	if ended == 0 && err == nil {
		return n, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending -= ended
	if err != nil {
		r.readErr = err
	}
	if r.idle != nil && (r.pending <= 0 || err != nil) {
		close(r.idle)
		r.idle = nil
	}
	return n, err
}

// sessionLifetime returns how long the client stays signed in, or 0 if the broker sets no limit.
func sessionLifetime(ms int64) time.Duration {
	if ms < 0 || ms > forever.Milliseconds() {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
