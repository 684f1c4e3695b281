// Package skrclient gets RSA private keys for a program in a confidential container: from the Azure Secure Key Release
// sidecar ([New]), from the data hub of Confidential Containers ([NewHub]) or, for development, from a file ([NewFile]).
//
// Each is a [Releaser], whose Release is one attempt. A [Keeper] retries until it has every key of a set, and reports its
// progress. An [Attester] gets a token that describes this pod, and [Attestation.Compare] compares it with a release
// policy. An [Authority] verifies any other token of an attestation service.
//
// It does not protect against anyone who can listen on this pod's loopback interface or runs in its process: they get the
// key as well. The sidecar's response proves nothing about attestation to anyone else, and a released key cannot be taken
// back.
//
// After use, the package overwrites its buffers that held a response, a key's text or an access token. That shortens the
// time in which a core dump or a reused buffer would show the key as text; it does not make the key vanish. The key itself
// stays while the program uses it. Some copies by Go, net/http, encoding/json and go-jose are out of reach until their
// memory is reused: a network buffer of 4 KiB, the token as a string, the encoder's buffer, and each number of the JWK as
// a string and as bytes. Only the hardware can protect memory from being read.
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

// DefaultTimeout limits one attempt. The sidecar alone may hold a request for 110 seconds.
const DefaultTimeout = 150 * time.Second

const maxToken = 64 << 10

// Config configures a [Client].
type Config struct {
	// URL of the sidecar, such as http://localhost:8080. Plain HTTP and loopback only: the response is the key.
	URL string
	// Timeout of one attempt; 0 means DefaultTimeout.
	Timeout time.Duration
	// AccessTokenFile holds a token for the vault that replaces the pod's managed identity. Optional. Every attempt reads
	// the file, so that a renewed token is used.
	AccessTokenFile string
	// Transport replaces the default, which connects to loopback addresses only and uses no proxy. For tests.
	Transport http.RoundTripper
}

// Client asks the Azure sidecar, one request at a time. It is safe for concurrent use.
type Client struct {
	sidecar   *loopbackClient
	tokenFile string
}

// New checks the configuration. It does not connect.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	sidecar, err := newLoopbackClient(cfg.URL, cfg.Timeout, connectionCauses{refused: CauseNoAnswer, timeout: CauseTimeout, incomplete: CauseIncompleteAnswer}, cfg.Transport)
	if err != nil {
		return nil, fmt.Errorf("making sidecar client: %w", err)
	}
	return &Client{sidecar: sidecar, tokenFile: cfg.AccessTokenFile}, nil
}

// Check is [Request.Validate].
func (c *Client) Check(request Request) error { return request.Validate() }

// Release asks once for one key. It accepts only a sound RSA private key of 2048 to 8192 bits. It waits for a release
// in flight, and then at most the timeout. The error is an *[Error], an error of [Request.Validate] or, after ctx has
// ended, the context's cause.
func (c *Client) Release(ctx context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := c.Check(request); err != nil {
		return nil, err
	}
	token, err := c.accessToken()
	defer clear(token)
	if err != nil {
		return nil, &Error{KeyName: request.KeyName, Step: StepSidecar, Kind: KindFailed, Cause: CauseAccessToken}
	}
	fields := map[string]string{"maa_endpoint": request.MAAEndpoint, "akv_endpoint": request.AKVEndpoint, "kid": request.KeyName}
	if len(token) > 0 {
		fields["access_token"] = string(token)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, &Error{KeyName: request.KeyName, Step: StepSidecar, Kind: KindFailed, Cause: CauseBadRequest}
	}
	key, err := send(ctx, c.sidecar, call{method: http.MethodPost, path: "key/release", body: body}, parseRelease)
	return key, withKeyName(err, request.KeyName)
}

// accessToken returns the access token, or nothing if none is configured.
func (c *Client) accessToken() ([]byte, error) {
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
