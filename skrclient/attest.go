package skrclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"kafka-e2ee/skrclient/policy"
)

// clockSkew is the tolerated difference between the clocks of this pod and the attestation service.
const clockSkew = time.Minute

// AttesterConfig configures an [Attester].
type AttesterConfig struct {
	Client      *Client
	MAAEndpoint string // the attestation service: a host name without scheme, optionally with a port
	CAFile      string // PEM roots for the attestation service's TLS; empty means the system's
}

// Attester gets attestation tokens for this pod. They describe the pod now, and are obtained after the release of a key,
// not for it.
type Attester struct {
	client    *Client
	endpoint  string
	authority *Authority
}

// NewAttester checks the configuration and reads the roots. It does not connect.
func NewAttester(cfg AttesterConfig) (*Attester, error) {
	if cfg.Client == nil {
		return nil, errors.New("making attester: want a client")
	}
	authority, err := NewAuthority(cfg.MAAEndpoint, cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &Attester{client: cfg.Client, endpoint: cfg.MAAEndpoint, authority: authority}, nil
}

// Attestation is a token about this pod.
type Attestation struct {
	Issued  time.Time
	Expires time.Time // keys released before stay released
	// Checked reports whether the signature was verified. A wrong signature is an error. If the signing keys are out of
	// reach, Unchecked gives the reason, and nobody vouches for the claims.
	Checked   bool
	Unchecked *Error
	token     *string // behind a pointer, so that printing the struct does not show it
	claims    policy.Claims
}

// Token returns the encoded token, for verification elsewhere. Its runtime data has no wrapping key, so no vault releases a
// key for it.
func (a *Attestation) Token() string { return *a.token }

// Attest asks the sidecar for a token with a new nonce. It never delays [Client.Release], which interrupts the request;
// Attest then repeats it. The error is an *[Error] or, after ctx has ended, the context's cause.
func (a *Attester) Attest(ctx context.Context) (*Attestation, error) {
	runtime, err := json.Marshal(map[string]string{"nonce": rand.Text()})
	if err != nil {
		return nil, tokenError(KindFailed, CauseBadRequest)
	}
	return a.AttestRuntimeData(ctx, runtime)
}

// AttestRuntimeData is [Attester.Attest] with runtime data of the caller's, a JSON object, in place of the nonce. It refuses a
// member "keys": a vault would encrypt a released key for the keys in it.
func (a *Attester) AttestRuntimeData(ctx context.Context, data []byte) (*Attestation, error) {
	sent, err := policy.ParseClaims(data)
	if _, hasKeys := sent["keys"]; err != nil || hasKeys || len(sent) == 0 {
		return nil, tokenError(KindFailed, CauseBadRequest)
	}
	body, err := json.Marshal(map[string]string{"maa_endpoint": a.endpoint, "runtime_data": base64.StdEncoding.EncodeToString(data)})
	if err != nil {
		return nil, tokenError(KindFailed, CauseBadRequest)
	}
	token, err := send(ctx, a.client.sidecar, call{method: http.MethodPost, path: "attest/maa", body: body, lowPriority: true}, parseToken)
	if err != nil {
		return nil, err
	}
	claims, unchecked, failure := a.authority.verify(ctx, token, time.Now(), clockSkew)
	if failure != nil {
		return nil, failure
	}
	runtime := claim[map[string]any](claims, "x-ms-runtime")
	for name, value := range sent {
		if !reflect.DeepEqual(runtime[name], value) {
			return nil, tokenError(KindRefused, CauseNonce)
		}
	}
	return &Attestation{
		Issued: claims.Time("iat"), Expires: claims.Time("exp"),
		Checked: unchecked == nil, Unchecked: unchecked, token: &token, claims: claims,
	}, nil
}

func tokenError(kind Kind, cause Cause) *Error {
	return &Error{Step: StepAttestation, Kind: kind, Cause: cause}
}

// parseToken reads {"token":"<JWT>"}, or the first document of an error: after a 403 the sidecar sends a second one,
// {"token":""}.
func parseToken(status int, body []byte) (string, *Error) {
	var response struct {
		Token string          `json:"token"`
		Error json.RawMessage `json:"error"`
	}
	whole := json.Unmarshal(body, &response) == nil
	if status == http.StatusOK && whole && response.Token != "" && len(response.Token) <= maxToken {
		return response.Token, nil
	}
	if status != http.StatusOK && (whole || json.NewDecoder(bytes.NewReader(body)).Decode(&response) == nil) && response.Error != nil {
		switch status {
		case http.StatusBadRequest:
			return "", &Error{Step: StepAttestation, Kind: KindRefused, Cause: CauseBadRequest, Status: status}
		case http.StatusInternalServerError:
			return "", &Error{Step: StepAttestation, Kind: KindRefused, Cause: CauseNotReady, Status: status}
		case http.StatusForbidden:
			var text string
			if json.Unmarshal(response.Error, &text) == nil {
				return "", classify("attestation failed: " + text)
			}
		}
	}
	return "", &Error{Step: StepAttestation, Kind: KindMalformed, Cause: CauseNotToken, Status: status}
}
