package attested

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

const dialTimeout = 10 * time.Second

// Verify connects to the address, HOST:PORT, makes every check and closes the connection. The result has the checks up to
// the first that failed, and is nil if there was no connection. The error is a *[RefusedError] if the endpoint is not to
// be trusted, and another if it could not be checked. Verify takes at most [Timeout].
func (v *Verifier) Verify(ctx context.Context, address string) (*Result, error) {
	conn, result, err := v.connect(ctx, "tcp", address, false)
	if conn != nil {
		_ = conn.Close() //nolint:errcheck // its result is known
	}
	return result, err
}

// DialTLS connects to the address and verifies the endpoint over that very connection before it returns it, in at most
// [Timeout]. If the endpoint has the key that was verified last and the token of that time is still valid, only the key
// is compared. It is the DialTLSContext of an [http.Transport]; it uses no proxy.
func (v *Verifier) DialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, _, err := v.connect(ctx, network, address, true)
	if err != nil {
		return nil, err // a nil *tls.Conn would not be a nil net.Conn
	}
	return conn, nil
}

// Transport returns a transport that sends requests over verified connections only, and none in the clear. A connection
// stays open after its token has expired; whoever keeps it for long calls [Verifier.Verify] from time to time and closes
// it if that fails.
func (v *Verifier) Transport() *http.Transport {
	return &http.Transport{
		DialTLSContext: v.DialTLS,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connecting: want https, got http")
		},
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  Timeout,
	}
}

// Forget makes the next connection prove its key again.
func (v *Verifier) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pinned = pin{}
}

func (v *Verifier) isPinned(key [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pinned.key == key && v.cfg.Now().Before(v.pinned.until)
}

// connect returns a connection whose key is attested. With acceptPinned a key that was verified before needs no new token.
func (v *Verifier) connect(ctx context.Context, network, address string, acceptPinned bool) (*tls.Conn, *Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("no end after %s", Timeout))
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	plain, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	known := false
	conn := tls.Client(plain, &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12, // so that an older version gets a clear refusal
		// No authority vouches for the certificate: its key is compared instead, on resumption, too.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			if c := checkConnection(&state, v.cfg.Now()); !c.Passed {
				return (&Result{}).check(c)
			}
			known = v.isPinned(KeyHash(state.PeerCertificates[0]))
			return nil
		},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close() //nolint:errcheck // it failed already
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			v.Forget()
			return nil, &Result{Checks: []Check{refused.Check}}, refused
		}
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	if known && acceptPinned {
		return conn, nil, nil
	}
	result, err := v.verify(ctx, conn, strings.TrimSuffix(address, ":443"))
	if err != nil {
		_ = conn.Close() //nolint:errcheck // it is not used
		if _, refused := errors.AsType[*RefusedError](err); refused {
			v.Forget()
		}
		return nil, result, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pinned = pin{KeyHash(result.Certificate), result.Expires}
	return conn, result, nil
}

// checkConnection refuses a connection before anything is sent over it. The name in the certificate proves nothing here.
func checkConnection(state *tls.ConnectionState, now time.Time) Check {
	c := Check{Step: StepConnection, Expected: "TLS 1.3, a P-256 key, valid now", Actual: tls.VersionName(state.Version)}
	if state.Version != tls.VersionTLS13 {
		return c
	}
	certificate := state.PeerCertificates[0]
	key, isEC := certificate.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !isEC:
		c.Actual += ", a key of type " + certificate.PublicKeyAlgorithm.String()
		return c
	case key.Curve != elliptic.P256():
		c.Actual += ", a key on " + key.Curve.Params().Name
		return c
	}
	c.Actual += fmt.Sprintf(", a P-256 key, valid from %s to %s", stamp(certificate.NotBefore), stamp(certificate.NotAfter))
	c.Passed = !now.Add(Skew).Before(certificate.NotBefore) && !now.Add(-Skew).After(certificate.NotAfter)
	return c
}
