package skrclient

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysTimeout = 10 * time.Second
	maxCAFile   = 1 << 20
)

// authority is the attestation service as the one that vouches for tokens. Where its keys are is configuration: what a
// token says of it (jku, jwk, x5c) is not read.
type authority struct {
	url  string // https://HOST, the issuer of its tokens
	http *http.Client
}

func newAuthority(cfg AttesterConfig) (*authority, error) {
	var roots *x509.CertPool // nil means the system's
	if cfg.CAFile != "" {
		pem, err := readFile(cfg.CAFile, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("reading attestation CA file: %w", err)
		}
		roots = x509.NewCertPool()
		if len(pem) > maxCAFile || !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("reading attestation CA file: want PEM certificates, at most 1 MiB")
		}
	}
	return &authority{url: "https://" + cfg.MAAEndpoint, http: direct(&http.Transport{
		Proxy:           http.ProxyFromEnvironment, // it sees a host name and encrypted public keys
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		IdleConnTimeout: keysTimeout,
	})}, nil
}

// claims reads the payload of a token and refuses one that cannot be of this authority, for this nonce and this time.
// The signature is another matter.
func (a *authority) claims(payload []byte, nonce string, now time.Time) (claimTree, *Error) {
	tree, err := parseTree(payload)
	if err != nil {
		return nil, tokenError(KindMalformed, CauseNoToken)
	}
	from, until := tree.time("nbf"), tree.time("exp")
	switch runtime := claimTree(as[map[string]any](tree, "x-ms-runtime")); {
	case as[string](runtime, "nonce") != nonce:
		return nil, tokenError(KindRefused, CauseNonce)
	case as[string](tree, "iss") != a.url:
		return nil, tokenError(KindRefused, CauseIssuer)
	case from.IsZero() || from.After(now.Add(clockSkew)) || !until.After(now.Add(-clockSkew)):
		return nil, tokenError(KindRefused, CauseExpired)
	}
	return tree, nil
}

// keys fetches the authority's signing keys of the given id.
func (a *authority) keys(ctx context.Context, id string) ([]*rsa.PublicKey, *Error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	unreachable := tokenError(KindUnreachable, CauseNoAuthority)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/certs", http.NoBody)
	if err != nil {
		return nil, unreachable
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, unreachable
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	unreachable.Status = response.StatusCode
	body, err := readAll(response.Body, maxAnswer)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, unreachable
	}
	keys, err := parseKeys(body, id)
	if err != nil {
		return nil, unreachable
	}
	return keys, nil
}

// parseKeys takes the RSA keys of the given id out of a JWK set (RFC 7517 section 5), whose entries may have x5c only
// (section 4.7). Entries of other sorts are passed over.
func parseKeys(body []byte, id string) ([]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(body) > maxAnswer || json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, errors.New("parsing signing keys: want a JWK set of at most 1 MiB")
	}
	var found []*rsa.PublicKey
	for _, text := range set.Keys {
		var head struct {
			ID    string   `json:"kid"`
			N     string   `json:"n"`
			Chain [][]byte `json:"x5c"` // base64 DER, the leaf first
		}
		if json.Unmarshal(text, &head) != nil || head.ID != id {
			continue
		}
		if key := publicKey(text, head.N, head.Chain); key != nil && key.N.BitLen() >= minKeyBits && key.N.BitLen() <= maxKeyBits {
			found = append(found, key)
		}
	}
	return found, nil
}

// publicKey takes the key from n and e where they are there, which then must agree with the certificate, else from it.
func publicKey(text []byte, n string, chain [][]byte) *rsa.PublicKey {
	var key any
	if n != "" {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(text) == nil {
			key = jwk.Key
		}
	} else if len(chain) > 0 {
		if leaf, err := x509.ParseCertificate(chain[0]); err == nil {
			key = leaf.PublicKey
		}
	}
	public, _ := key.(*rsa.PublicKey) //nolint:errcheck // another sort of key is none
	return public
}
