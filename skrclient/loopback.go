package skrclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits on a response, in bytes.
const (
	maxResponse = 1 << 20
	maxHeader   = 64 << 10
)

// loopbackClient talks to a service on this pod's loopback interface. It sends one request at a time, because each costs
// work in the hardware, the attestation service and the vault.
type loopbackClient struct {
	base    *url.URL
	timeout time.Duration
	causes  connectionCauses
	http    *http.Client
	mu      chan struct{}          // full during a request; a channel, so that waiting for it can be canceled
	preempt chan (<-chan struct{}) // a send ends the low-priority request in flight; see preempted
}

// connectionCauses holds a service's causes for failures without a complete response.
type connectionCauses struct {
	refused    Cause // nothing accepts a connection
	timeout    Cause // no response within the time limit
	incomplete Cause // connected, but the response is cut off or not HTTP
}

func newLoopbackClient(address string, timeout time.Duration, causes connectionCauses, transport http.RoundTripper) (*loopbackClient, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("checking URL: want http://HOST:PORT and nothing after it")
	}
	if strings.HasSuffix(base.Host, ":") || base.Port() != "" && !isPort(base.Port()) {
		return nil, errors.New("checking URL: want a port from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(base.Hostname()); base.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, errors.New("checking URL: want localhost or a loopback address, since the key travels in the clear")
	}
	if timeout < 0 {
		return nil, fmt.Errorf("checking timeout: got %s, want more than 0", timeout)
	}
	if transport == nil {
		transport = newLoopbackTransport(nil)
	}
	return &loopbackClient{
		base: base, timeout: timeout, causes: causes, http: withoutRedirects(transport),
		mu: make(chan struct{}, 1), preempt: make(chan (<-chan struct{})),
	}, nil
}

// withoutRedirects makes a client that follows no redirect, because configuration alone decides which hosts are asked.
func withoutRedirects(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newLoopbackTransport makes a transport that connects to loopback addresses only, whatever a host name resolves to, and
// never through a proxy. A nil resolver is the system's.
func newLoopbackTransport(resolver *net.Resolver) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Resolver: resolver, ControlContext: refuseOtherAddresses}
	return &http.Transport{
		Proxy:                  nil, // the environment's proxy must never see a key
		DialContext:            dialer.DialContext,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true, // a restarted service does not get requests over its old connection
	}
}

var errNotLoopback = errors.New("connecting: the address is not on loopback")

// refuseOtherAddresses runs for each address of a name, after it was resolved and before anything is sent.
func refuseOtherAddresses(_ context.Context, _, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return errNotLoopback
	}
	return nil
}

// roundTrip drops the errors of net/http and keeps a cause, because some of them repeat what they read.
func (c *loopbackClient) roundTrip(ctx context.Context, call call) (status int, body []byte, failure *Error) {
	request, err := http.NewRequestWithContext(ctx, call.method, c.base.JoinPath(call.path).String(), bytes.NewReader(call.body))
	if err != nil {
		return 0, nil, &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseBadRequest}
	}
	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	var connected atomic.Bool
	request = request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}))
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, c.connectionError(ctx, err, connected.Load())
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	body, err = readLimited(response.Body, maxResponse)
	if err != nil {
		return 0, body, c.connectionError(ctx, err, true)
	}
	return response.StatusCode, body, nil
}

// connectionError distinguishes an absent service from one that is too slow or does not speak HTTP.
func (c *loopbackClient) connectionError(ctx context.Context, err error, connected bool) *Error {
	switch {
	case ctx.Err() != nil:
		return &Error{Step: StepSidecar, Kind: KindTimeout, Cause: c.causes.timeout}
	case errors.Is(err, errNotLoopback):
		return &Error{Step: StepSidecar, Kind: KindUnreachable, Cause: CauseNotLoopback}
	case connected:
		return &Error{Step: StepSidecar, Kind: KindMalformed, Cause: c.causes.incomplete}
	default:
		return &Error{Step: StepSidecar, Kind: KindUnreachable, Cause: c.causes.refused}
	}
}
