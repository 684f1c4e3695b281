// Package sidecar is the platform behind the stand-in sidecar of skrtest. Like the
// real sidecar it gets an attestation token for the pod, and asks the vault for a
// key with that token.
//
//	platform := &sidecar.Platform{Hardware: chip, Guest: guest, Metadata: url, Client: client}
//	handler := skrtest.NewWithPlatform(platform)
package sidecar

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kafka-e2ee/lab/identity"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/skrclient/skrtest"
)

// Hardware makes reports about a guest.
type Hardware interface {
	Report(guest snp.Guest, reportData [64]byte) ([]byte, error)
}

// Platform gets keys for one pod. It is safe for concurrent use.
type Platform struct {
	Hardware Hardware
	Guest    snp.Guest // this pod
	ClientID string    // of the pod's identity
	Metadata string    // URL of the certificates and identities, without a slash at the end
	Client   *http.Client
	Roots    *x509.CertPool // of the vault's certificate
	// OnStep gets each step of a release as it ends. A failed step is the last one. Optional.
	OnStep func(Step)
}

// The steps of a release, in order.
const (
	StepReport = "report" // the hardware's report, with the certificates for it
	StepToken  = "token"  // the attestation service's token about the report
	StepVault  = "vault"  // the vault's answer to the token
	StepKey    = "key"    // the key in that answer, unwrapped
)

// Step is one step of a release.
type Step struct {
	KeyName string // as asked for
	Name    string
	Err     error
	Key     *rsa.PublicKey // of the key that StepKey unwrapped
}

// end tells that a step has ended, and returns its error.
func (p *Platform) end(step Step) error {
	if p.OnStep != nil {
		p.OnStep(step)
	}
	return step.Err
}

// Release is the whole protocol. Its errors are worded like the real sidecar's,
// because clients parse them for the cause.
func (p *Platform) Release(ctx context.Context, asked skrtest.KeyRequest) (*rsa.PrivateKey, error) {
	wrapping, err := rsa.GenerateKey(rand.Reader, 2048) // for this release only
	if err != nil {
		return nil, fmt.Errorf("generating RSA key pair failed: %w", err)
	}
	runtimeData, err := json.Marshal(map[string]any{"keys": []any{jwk(&wrapping.PublicKey)}})
	if err != nil {
		return nil, fmt.Errorf("marshalling the wrapping key failed: %w", err)
	}
	attestation, err := p.report(ctx, runtimeData)
	if p.end(Step{KeyName: asked.KeyName, Name: StepReport, Err: err}) == nil {
		attestation.Token, err = p.token(ctx, asked.MAAEndpoint, runtimeData, attestation)
		_ = p.end(Step{KeyName: asked.KeyName, Name: StepToken, Err: err}) //nolint:errcheck // it returns the error it got
	}
	if err != nil {
		return nil, fmt.Errorf("attestation failed: %w", err)
	}
	answer, err := p.askVault(ctx, asked, attestation.Token)
	if p.end(Step{KeyName: asked.KeyName, Name: StepVault, Err: err}) != nil {
		return nil, err
	}
	key, err := openRelease(answer, asked.AKVEndpoint, p.Roots, wrapping)
	opened := Step{KeyName: asked.KeyName, Name: StepKey, Err: err}
	if err == nil {
		opened.Key = &key.PublicKey
	}
	if p.end(opened) != nil {
		return nil, fmt.Errorf("releasing the key %s failed: %w", asked.KeyName, err)
	}
	return key, nil
}

// Attest makes a report that is bound to the runtime data, and fetches the
// certificates for it. If maaEndpoint is not empty, it also gets a token from that
// attestation service.
func (p *Platform) Attest(ctx context.Context, maaEndpoint string, runtimeData []byte) (skrtest.Attestation, error) {
	made, err := p.report(ctx, runtimeData)
	if err == nil && maaEndpoint != "" {
		made.Token, err = p.token(ctx, maaEndpoint, runtimeData, made)
	}
	if err != nil {
		return skrtest.Attestation{}, err
	}
	return made, nil
}

func (p *Platform) report(ctx context.Context, runtimeData []byte) (skrtest.Attestation, error) {
	var reportData [64]byte
	hash := sha256.Sum256(runtimeData)
	copy(reportData[:], hash[:])
	report, err := p.Hardware.Report(p.Guest, reportData)
	if err != nil {
		return skrtest.Attestation{}, fmt.Errorf("failed to retrieve attestation report: %w", err)
	}
	var certs snp.Certification
	if err := p.get(ctx, snp.CertificationPath, &certs); err != nil {
		return skrtest.Attestation{}, fmt.Errorf("refreshing CertChain failed: %w", err)
	}
	made := skrtest.Attestation{Report: report, Chain: []byte(certs.VCEK + certs.Chain), TCB: certs.TCBM}
	reported := binary.LittleEndian.Uint64(report[384:])
	if certified, err := strconv.ParseUint(certs.TCBM, 16, 64); err != nil || certified != reported {
		return skrtest.Attestation{}, fmt.Errorf("SNP reported TCB value: %d doesn't match Certificate TCB value: %d", reported, certified)
	}
	return made, nil
}

// token gets the attestation service's token about a report.
func (p *Platform) token(ctx context.Context, maaEndpoint string, runtimeData []byte, made skrtest.Attestation) (string, error) {
	b64 := base64.URLEncoding.EncodeToString // padded, like the real sidecar
	inner, err := json.Marshal(map[string]string{"SnpReport": b64(made.Report), "VcekCertChain": b64(made.Chain), "Endorsements": b64([]byte(`{"Uvm":[]}`))})
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	err = p.post(ctx, "maa", "https://"+maaEndpoint+"/attest/SevSnpVM?api-version=2020-10-01", "", map[string]any{
		"report":       b64(inner),
		"runtimeData":  map[string]string{"data": b64(runtimeData), "dataType": "JSON"},
		"initTimeData": map[string]string{"data": "", "dataType": ""},
	}, &answer)
	if err != nil {
		return "", fmt.Errorf("retrieving MAA token from MAA endpoint failed: %w", err)
	}
	return answer.Token, nil
}

func (p *Platform) accessToken(ctx context.Context, vault string) (string, error) {
	resource := "https://" + domain(vault)
	var answer struct {
		Token string `json:"access_token"`
	}
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}, "client_id": {p.ClientID}}
	err := p.get(ctx, identity.TokenPath+"?"+query.Encode(), &answer)
	return answer.Token, err
}

func (p *Platform) askVault(ctx context.Context, asked skrtest.KeyRequest, token string) (string, error) {
	bearer := asked.AccessToken
	if bearer == "" {
		var err error
		if bearer, err = p.accessToken(ctx, asked.AKVEndpoint); err != nil {
			return "", fmt.Errorf("retrieving authentication token failed: %w", err)
		}
	}
	var answer struct{ Value string }
	err := p.post(ctx, "AKV", "https://"+asked.AKVEndpoint+"/keys/"+asked.KeyName+"/release?api-version=7.4", bearer, map[string]string{"target": token}, &answer)
	if err != nil {
		return "", fmt.Errorf("releasing the key %s failed: %w", asked.KeyName, err)
	}
	return answer.Value, nil
}

func (p *Platform) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Metadata+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Metadata", "true")
	return p.do("metadata", request, into)
}

func (p *Platform) post(ctx context.Context, service, url, bearer string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return p.do(service, request, into)
}

func (p *Platform) do(service string, request *http.Request, into any) error {
	response, err := p.Client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s request failed: %w", service, strings.ToLower(request.Method), err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("pulling %s response failed: %w", service, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("pulling %s response failed: %s: http response status equal to %s", service, body, response.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("unmarshalling %s response failed", service)
	}
	return nil
}

// jwk encodes the wrapping key for the runtime data.
func jwk(key *rsa.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	n, e := b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	thumbprint := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`)) // RFC 7638, section 3
	return map[string]any{"kty": "RSA", "n": n, "e": e, "kid": b64(thumbprint[:]), "key_ops": []string{"encrypt"}}
}
