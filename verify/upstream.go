package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"kafka-e2ee/skrclient/attested"
)

// upstream makes the proxy's connections to the page and cuts all of them once a verification fails.
type upstream struct {
	verifier *attested.Verifier
	address  string    // HOST:PORT
	out      io.Writer // gets the reason why they are cut

	mu      sync.Mutex
	conns   map[*upstreamConn]struct{}
	cuts    int    // how often they were cut
	printed string // the last reason
}

// errCut ends a connection that was being made while the others were cut.
var errCut = errors.New("connecting: the page was refused meanwhile")

// dial returns a connection that was verified, on itself if its key was not verified before.
func (u *upstream) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != u.address {
		return nil, fmt.Errorf("connecting: want only %s", u.address)
	}
	u.mu.Lock()
	cuts := u.cuts
	u.mu.Unlock()
	conn, err := u.verifier.DialTLS(ctx, network, address)
	if err != nil {
		u.cutIfRefused(err)
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cuts != cuts {
		_ = conn.Close() //nolint:errcheck // nothing was sent over it
		return nil, errCut
	}
	tracked := &upstreamConn{Conn: conn, upstream: u}
	if u.conns == nil {
		u.conns = make(map[*upstreamConn]struct{})
	}
	u.conns[tracked] = struct{}{}
	u.printed = ""
	return tracked, nil
}

// cutIfRefused cuts all connections if the page is refused.
func (u *upstream) cutIfRefused(err error) {
	if isRefused(err) {
		u.cut(err)
	}
}

// cut ends all connections. The next one must be verified on itself.
func (u *upstream) cut(reason error) {
	u.verifier.Forget()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cuts++
	if text := reason.Error(); text != u.printed {
		u.printed = text
		fmt.Fprintf(u.out, "REFUSED  %s\n", text) //nolint:errcheck // a closed terminal changes nothing
	}
	for conn := range u.conns {
		// Close tells the page, which could still end its answer as if it were complete. Readers fail first.
		_ = conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // it may be closed already
		_ = conn.Conn.Close()                 //nolint:errcheck // as above
	}
	clear(u.conns)
}

// upstreamConn is a connection that can be cut.
type upstreamConn struct {
	net.Conn
	upstream *upstream
}

// Close closes the connection.
func (c *upstreamConn) Close() error {
	c.upstream.mu.Lock()
	delete(c.upstream.conns, c)
	c.upstream.mu.Unlock()
	return c.Conn.Close()
}

// The time between two verifications is half the token's remaining lifetime, within limits.
const (
	minInterval = time.Second
	maxInterval = time.Hour
	// retryInterval applies once the token has expired and the page cannot be checked.
	retryInterval = 10 * time.Second
)

func interval(left time.Duration) time.Duration {
	if left <= 0 {
		return retryInterval
	}
	return min(max(left/2, minInterval), maxInterval)
}

// watch verifies the page again before its token expires, until ctx ends. If it cannot be checked for as long as its last
// token is valid, the connections are cut as well.
func (u *upstream) watch(ctx context.Context, expires time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval(time.Until(expires))):
		}
		result, err := u.verifier.Verify(ctx, u.address)
		switch {
		case err == nil:
			expires = result.Expires
		case !time.Now().Before(expires):
			u.cut(fmt.Errorf("the last token has expired, and there is no new one: %w", err))
		default:
			u.cutIfRefused(err)
		}
	}
}
