package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// AttestedKey is the TLS key of the attested address, with a self-signed certificate for the page's hosts. The key is
// made in this process and never written, so whoever sees it in use talks to this process. The certificate proves
// nothing by itself: an attestation of [AttestedKey.SPKI] does.
type AttestedKey struct {
	hosts   []string
	current atomic.Pointer[attestedPair]
}

// attestedPair is a key with its certificate. A connection keeps the pair that it was accepted with.
type attestedPair struct {
	certificate tls.Certificate
	spki        [sha256.Size]byte
	made        time.Time
}

// NewAttestedKey makes the first key.
func NewAttestedKey(hosts []string) (*AttestedKey, error) {
	k := &AttestedKey{hosts: hosts}
	if err := k.make(time.Now()); err != nil {
		return nil, err
	}
	return k, nil
}

// SPKI returns the SHA-256 of the SubjectPublicKeyInfo of the certificate that new connections get.
func (k *AttestedKey) SPKI() [sha256.Size]byte { return k.current.Load().spki }

// RenewIfDue replaces the key and its certificate after half of the certificate's life. Open connections keep theirs.
func (k *AttestedKey) RenewIfDue(now time.Time) error {
	if now.Sub(k.current.Load().made) < certificateLife/2 {
		return nil
	}
	return k.make(now)
}

func (k *AttestedKey) make(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the attested address's key: %w", err)
	}
	der, err := selfSigned(key, k.hosts, now)
	if err != nil {
		return fmt.Errorf("making the attested address's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("making the attested address's certificate: %w", err)
	}
	k.current.Store(&attestedPair{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		spki:        sha256.Sum256(leaf.RawSubjectPublicKeyInfo), made: now,
	})
	return nil
}

// AttestedListener wraps the listener of the attested address: with TLS 1.3 and a limit on open connections. A client
// certificate is not required here but by [Guard.Authenticate], because the attestation is for everybody.
func (g *Guard) AttestedListener(l net.Listener, key *AttestedKey) net.Listener {
	return &attestedListener{g.limited(l), g, key}
}

type attestedListener struct {
	net.Listener
	guard *Guard
	key   *AttestedKey
}

// attestedConn is a connection that the client speaks TLS over, with the pair that it gets.
type attestedConn struct {
	net.Conn
	pair *attestedPair
}

// Accept implements [net.Listener]. The connection is a *[tls.Conn], as [net/http.Server] expects.
func (l *attestedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	pair := l.key.current.Load()
	config := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair.certificate}, NextProtos: []string{"h2", "http/1.1"},
			SessionTicketsDisabled: true, // a resumed connection would not show either certificate again
		}
		if roots := l.guard.credentials.Load().clientRoots; roots != nil {
			c.ClientCAs, c.ClientAuth = roots, tls.VerifyClientCertIfGiven
		}
		return c, nil
	}
	return tls.Server(&attestedConn{conn, pair}, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: config}), nil
}

// attestedKeyOf is the key of a connection's context for the SPKI of its certificate.
type attestedKeyOf struct{}

// withAttestedKey notes in a connection's context which key of the attested address it uses, if any.
func withAttestedKey(ctx context.Context, conn net.Conn) context.Context {
	if outer, ok := conn.(*tls.Conn); ok {
		if inner, ok := outer.NetConn().(*attestedConn); ok {
			return context.WithValue(ctx, attestedKeyOf{}, inner.pair.spki)
		}
	}
	return ctx
}

// AttestedSPKI returns the SHA-256 of the SubjectPublicKeyInfo of the certificate that the request's connection got at
// the attested address; ok is false at another address. ctx is the request's.
func AttestedSPKI(ctx context.Context) (spki [sha256.Size]byte, ok bool) {
	spki, ok = ctx.Value(attestedKeyOf{}).([sha256.Size]byte)
	return spki, ok
}
