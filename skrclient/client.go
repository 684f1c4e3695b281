// Package skrclient asks the Azure Secure Key Release sidecar of this pod for RSA private keys.
//
// [New] makes a [Client], whose Release is one try. A [Keeper] asks for a set of keys for ever, until every one of
// them is there, and tells what it is doing.
//
// What it does not protect: whoever can listen on this pod's loopback, or runs in its process, gets the key as well.
// The sidecar's answer proves nothing about attestation to anyone else, and a released key cannot be taken back.
package skrclient

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultTimeout is the time that one try may take. The sidecar alone may hold a request for 110 seconds.
const DefaultTimeout = 150 * time.Second

const maxToken = 64 << 10

// Config says how to reach the sidecar.
type Config struct {
	// URL of the sidecar, such as http://localhost:8080. Plain HTTP and loopback only: the answer is the key.
	URL string
	// Timeout of one try; 0 means DefaultTimeout.
	Timeout time.Duration
	// AccessTokenFile holds a token for the vault that replaces the pod's managed identity. Optional. It is read on
	// every try, so that a token that is renewed in place is used.
	AccessTokenFile string
	// Transport replaces the client's own, which uses no proxy. Optional.
	Transport http.RoundTripper
}

// Client asks one sidecar, one try at a time. It is safe for concurrent use.
type Client struct {
	endpoint  string
	timeout   time.Duration
	tokenFile string
	http      *http.Client
	turn      chan struct{} // held during a try: each costs the hardware, the attestation service and the vault work
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("checking sidecar URL: want http://HOST:PORT and nothing after it")
	}
	if !loopback(base.Hostname()) {
		return nil, errors.New("checking sidecar URL: want localhost or a loopback address, since the key travels in the clear")
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("checking sidecar timeout: got %s, want more than 0", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:           nil, // the environment's proxy must never see a key
			DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			IdleConnTimeout: 30 * time.Second,
		}
	}
	return &Client{
		endpoint:  base.JoinPath("key/release").String(),
		timeout:   cfg.Timeout,
		tokenFile: cfg.AccessTokenFile,
		http: &http.Client{
			Transport:     cfg.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		turn: make(chan struct{}, 1),
	}, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Release asks once for one key and returns it only if it is a sound RSA private key of 2048 to 8192 bits. It waits
// for a try that is under way, and then at most the timeout. The error is an *[Error], except that of
// [Request.Validate] and, when ctx ends, that of ctx.
func (c *Client) Release(ctx context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("releasing key %q: %w", request.KeyName, context.Cause(ctx))
	}
	try, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	key, failure := c.ask(try, request)
	if failure == nil {
		return key, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("releasing key %q: %w", request.KeyName, context.Cause(ctx))
	}
	failure.KeyName = request.KeyName
	return nil, failure
}

// ask is the protocol. The errors of the parts are dropped for a cause, since some of them repeat what they read.
func (c *Client) ask(ctx context.Context, request Request) (*rsa.PrivateKey, *Error) {
	token, err := c.token()
	if err != nil {
		return nil, &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseToken}
	}
	fields := map[string]string{"maa_endpoint": request.MAAEndpoint, "akv_endpoint": request.AKVEndpoint, "kid": request.KeyName}
	if token != "" {
		fields["access_token"] = token
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseRequest}
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseRequest}
	}
	post.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(post)
	if err != nil {
		return nil, broken(ctx, 0)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, broken(ctx, response.StatusCode)
	}
	return parseAnswer(response.StatusCode, answer)
}

// broken tells a sidecar that does not answer in time from one that is not there.
func broken(ctx context.Context, status int) *Error {
	if ctx.Err() != nil {
		return &Error{Step: StepSidecar, Kind: KindTimeout, Cause: CauseStalled, Status: status}
	}
	return &Error{Step: StepSidecar, Kind: KindUnreachable, Cause: CauseNoAnswer, Status: status}
}

func (c *Client) token() (string, error) {
	if c.tokenFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" || len(content) > maxToken {
		return "", fmt.Errorf("reading access token: got %d bytes, want 1 to %d", len(content), maxToken)
	}
	return token, nil
}
