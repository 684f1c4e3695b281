package skrclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const maxAnswer = 1 << 20

// local is a service on this pod's loopback. It gets one request at a time: each costs the hardware, the attestation
// service and the vault work.
type local struct {
	base    *url.URL
	timeout time.Duration
	absent  Cause // nothing answers
	http    *http.Client
	turn    chan struct{} // held during a try
	due     chan struct{} // received from by a try that gives way
}

func newLocal(address string, timeout time.Duration, absent Cause, transport http.RoundTripper) (*local, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("checking URL: want http://HOST:PORT and nothing after it")
	}
	if ip, err := netip.ParseAddr(base.Hostname()); base.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, errors.New("checking URL: want localhost or a loopback address, since the key travels in the clear")
	}
	if timeout < 0 {
		return nil, fmt.Errorf("checking timeout: got %s, want more than 0", timeout)
	}
	if transport == nil {
		transport = &http.Transport{
			Proxy:           nil, // the environment's proxy must never see a key
			DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			IdleConnTimeout: 30 * time.Second,
		}
	}
	return &local{base: base, timeout: timeout, absent: absent, http: direct(transport), turn: make(chan struct{}, 1), due: make(chan struct{})}, nil
}

// direct follows no redirect: where to ask is configuration.
func direct(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call is one request to a local service; the body is overwritten after use.
type call struct {
	method, path string
	body         []byte
}

// exchange waits for its turn, which one that gives way leaves to it, makes the call and reads the answer with parse. The
// answer is overwritten when parse returns, which must not keep a part of it. The error is an *Error, or ctx's when that
// ends.
func exchange[T any](ctx context.Context, to *local, c call, parse func(status int, answer []byte) (T, *Error)) (T, error) {
	defer clear(c.body)
	for {
		select {
		case to.turn <- struct{}{}:
			defer func() { <-to.turn }()
			return try(ctx, to, c, parse)
		case to.due <- struct{}{}: // the other ends now
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}

var errGaveWay = errors.New("another request goes first")

// exchangeLast is exchange for what is less urgent than all else: it ends when an exchange waits, and begins anew after
// that one.
func exchangeLast[T any](ctx context.Context, to *local, c call, parse func(status int, answer []byte) (T, *Error)) (T, error) {
	for {
		select {
		case to.turn <- struct{}{}:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
		yielding, end := context.WithCancelCause(ctx)
		go func() {
			select {
			case <-to.due:
				end(errGaveWay)
			case <-yielding.Done():
			}
		}()
		result, err := try(yielding, to, c, parse)
		end(nil)
		<-to.turn
		if !errors.Is(err, errGaveWay) {
			return result, err
		}
	}
}

// try makes the call once.
func try[T any](ctx context.Context, to *local, c call, parse func(status int, answer []byte) (T, *Error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, to.timeout)
	defer cancel()
	status, answer, failure := to.ask(limited, c)
	defer clear(answer)
	var result, none T
	if failure == nil {
		result, failure = parse(status, answer)
	}
	switch {
	case failure == nil:
		return result, nil
	case ctx.Err() != nil:
		return none, context.Cause(ctx)
	default:
		return none, failure
	}
}

// ask drops the errors of the parts for a cause, since some of them repeat what they read.
func (l *local) ask(ctx context.Context, c call) (status int, answer []byte, failure *Error) {
	request, err := http.NewRequestWithContext(ctx, c.method, l.base.JoinPath(c.path).String(), bytes.NewReader(c.body))
	if err != nil {
		return 0, nil, &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseRequest}
	}
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := l.http.Do(request)
	if err != nil {
		return 0, nil, l.broken(ctx, 0)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	answer, err = readAll(response.Body, maxAnswer)
	if err != nil {
		return 0, answer, l.broken(ctx, response.StatusCode)
	}
	return response.StatusCode, answer, nil
}

// broken tells a service that does not answer in time from one that is not there.
func (l *local) broken(ctx context.Context, status int) *Error {
	if ctx.Err() != nil {
		return &Error{Step: StepSidecar, Kind: KindTimeout, Cause: CauseStalled, Status: status}
	}
	return &Error{Step: StepSidecar, Kind: KindUnreachable, Cause: l.absent, Status: status}
}
