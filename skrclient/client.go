// Package skrclient gets RSA private keys for a program in a confidential container: from the Azure Secure Key Release
// sidecar ([New]), from the data hub of Confidential Containers ([NewHub]) or, for development, from a file ([NewFile]).
//
// Each is a [Releaser], whose Release is one try. A [Keeper] asks for a set of keys for ever, until every one of them is
// there, and tells what it is doing. An [Attester] gets a token that says what this pod is, and [Policy.Compare] puts it
// beside what a release policy asks.
//
// What it does not protect: whoever can listen on this pod's loopback, or runs in its process, gets the key as well.
// The sidecar's answer proves nothing about attestation to anyone else, and a released key cannot be taken back.
//
// After use, the buffers of this package that held an answer, a key's text or an access token are overwritten. That
// shortens how long a key stands in memory as text, where a core dump or a reused buffer would show it; it does not
// make the key vanish. The key itself stays while the program uses it. Copies that Go, net/http, encoding/json and
// go-jose made are out of reach until their memory is used again: a network buffer of 4 KiB, the token as a string, the
// encoder's buffer, and each number of the JWK as a string and as bytes. Memory that must not be read has to be
// protected by the hardware.
package skrclient

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
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

// Client asks the Azure sidecar, one try at a time. It is safe for concurrent use.
type Client struct {
	sidecar   *local
	tokenFile string
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	sidecar, err := newLocal(cfg.URL, cfg.Timeout, CauseNoAnswer, cfg.Transport)
	if err != nil {
		return nil, fmt.Errorf("making sidecar client: %w", err)
	}
	return &Client{sidecar: sidecar, tokenFile: cfg.AccessTokenFile}, nil
}

// Check is [Request.Validate].
func (c *Client) Check(request Request) error { return request.Validate() }

// Release asks once for one key and returns it only if it is a sound RSA private key of 2048 to 8192 bits. It waits
// for a release that is under way, and then at most the timeout. The error is an *[Error], except that of
// [Request.Validate] and, when ctx ends, that of ctx.
func (c *Client) Release(ctx context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := c.Check(request); err != nil {
		return nil, err
	}
	token, err := c.token()
	defer clear(token)
	if err != nil {
		return nil, &Error{KeyName: request.KeyName, Step: StepSidecar, Kind: KindFailed, Cause: CauseToken}
	}
	fields := map[string]string{"maa_endpoint": request.MAAEndpoint, "akv_endpoint": request.AKVEndpoint, "kid": request.KeyName}
	if len(token) > 0 {
		fields["access_token"] = string(token)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, &Error{KeyName: request.KeyName, Step: StepSidecar, Kind: KindFailed, Cause: CauseRequest}
	}
	key, err := exchange(ctx, c.sidecar, call{http.MethodPost, "key/release", body}, parseAnswer)
	return key, named(err, request.KeyName)
}

// token returns the access token, or nothing where none is configured.
func (c *Client) token() ([]byte, error) {
	if c.tokenFile == "" {
		return nil, nil
	}
	content, err := readFile(c.tokenFile, maxToken)
	token := bytes.TrimSpace(content)
	if err == nil && (len(token) == 0 || len(content) > maxToken) {
		err = fmt.Errorf("reading access token: got %d bytes, want 1 to %d", len(content), maxToken)
	}
	return token, err
}
