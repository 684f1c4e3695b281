package skrclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clockSkew is how far this pod's clock may be from the attestation service's.
const clockSkew = time.Minute

// AttesterConfig says whom to ask and whom to believe.
type AttesterConfig struct {
	Client      *Client
	MAAEndpoint string // the attestation service: a host name without scheme, optionally with a port
	CAFile      string // PEM roots for the attestation service's TLS; empty means the system's
}

// Attester gets tokens of this pod's own. They are obtained after, not for, the release of a key, and say what this pod
// is now.
type Attester struct {
	client    *Client
	endpoint  string
	authority *authority
}

// NewAttester checks the configuration and reads the roots; it does not connect.
func NewAttester(cfg AttesterConfig) (*Attester, error) {
	if cfg.Client == nil {
		return nil, errors.New("making attester: want a client")
	}
	if err := CheckEndpoint(cfg.MAAEndpoint); err != nil {
		return nil, fmt.Errorf("checking attestation endpoint: %w", err)
	}
	authority, err := newAuthority(cfg)
	if err != nil {
		return nil, err
	}
	return &Attester{client: cfg.Client, endpoint: cfg.MAAEndpoint, authority: authority}, nil
}

// Attestation is a token about this pod and what it says.
type Attestation struct {
	Claims Claims
	// Checked is whether the signature was checked and is good. A token with a wrong one is an error, but the keys for
	// checking may be out of reach: then Unchecked tells why, and the claims are hearsay.
	Checked   bool
	Unchecked *Error
	token     *string // behind a pointer, so that printing the struct does not show it
	tree      claimTree
}

// Token returns the token itself, for verification elsewhere. It holds a nonce in its runtime data and no wrapping key,
// so no vault releases a key for it.
func (a *Attestation) Token() string { return *a.token }

// Attest asks the sidecar for a token about a new nonce. It never holds up [Client.Release]: it ends its request when a
// release is due, and asks anew after that. The error is an *[Error], or that of ctx when it ends.
func (a *Attester) Attest(ctx context.Context) (*Attestation, error) {
	nonce := rand.Text()
	runtime, err := json.Marshal(map[string]string{"nonce": nonce}) // never a member keys: that would plant a wrapping key
	if err != nil {
		return nil, tokenError(KindFailed, CauseRequest)
	}
	body, err := json.Marshal(map[string]string{"maa_endpoint": a.endpoint, "runtime_data": base64.StdEncoding.EncodeToString(runtime)})
	if err != nil {
		return nil, tokenError(KindFailed, CauseRequest)
	}
	token, err := exchangeLast(ctx, a.client.sidecar, call{http.MethodPost, "attest/maa", body}, parseToken)
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, tokenError(KindMalformed, CauseNoToken)
	}
	tree, failure := a.authority.claims(jws.UnsafePayloadWithoutVerification(), nonce, time.Now())
	if failure != nil {
		return nil, failure
	}
	keys, unchecked := a.authority.keys(ctx, jws.Signatures[0].Header.KeyID)
	if unchecked == nil && !signedByOne(jws, keys) {
		return nil, tokenError(KindRefused, CauseSignature)
	}
	return &Attestation{Claims: tree.claims(), Checked: unchecked == nil, Unchecked: unchecked, token: &token, tree: tree}, nil
}

func signedByOne(jws *jose.JSONWebSignature, keys []*rsa.PublicKey) bool {
	return slices.ContainsFunc(keys, func(key *rsa.PublicKey) bool {
		_, err := jws.Verify(key)
		return err == nil
	})
}

func tokenError(kind Kind, cause Cause) *Error {
	return &Error{Step: StepAttestation, Kind: kind, Cause: cause}
}

// parseToken reads {"token":"<JWT>"}, or the first document of a failure: the sidecar may send a second one after it.
func parseToken(status int, body []byte) (string, *Error) {
	var answer struct {
		Token string `json:"token"`
		Error string `json:"error"`
	}
	switch {
	case status == http.StatusOK && json.Unmarshal(body, &answer) == nil && answer.Token != "" && len(answer.Token) <= maxToken:
		return answer.Token, nil
	case status == http.StatusForbidden && json.NewDecoder(bytes.NewReader(body)).Decode(&answer) == nil:
		return "", classify("attestation failed: " + answer.Error)
	default:
		return "", &Error{Step: StepAttestation, Kind: KindMalformed, Cause: CauseNoToken, Status: status}
	}
}
