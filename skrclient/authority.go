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
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient/policy"
)

const (
	keysTimeout = 10 * time.Second
	maxCAFile   = 1 << 20
	maxKeys     = 16 // with one id; each costs a verification
)

// Authority is an attestation service as the issuer of tokens. Configuration alone says where its keys are: the headers
// jku, jwk and x5c of a token are ignored.
type Authority struct {
	url  string // https://HOST, the issuer of its tokens
	http *http.Client
}

// NewAuthority returns the attestation service at a host name, optionally with a port. The file holds PEM roots for its
// TLS; an empty name means the system's roots. It does not connect.
func NewAuthority(endpoint, caFile string) (*Authority, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, fmt.Errorf("checking attestation endpoint: %w", err)
	}
	var roots *x509.CertPool // nil means the system's
	if caFile != "" {
		pem, err := readFile(caFile, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("reading attestation CA file: %w", err)
		}
		roots = x509.NewCertPool()
		if len(pem) > maxCAFile || !roots.AppendCertsFromPEM(normalizePEM(pem)) {
			return nil, errors.New("reading attestation CA file: want PEM certificates, at most 1 MiB")
		}
	}
	return &Authority{url: "https://" + endpoint, http: withoutRedirects(&http.Transport{
		Proxy:           http.ProxyFromEnvironment, // a proxy sees a host name and encrypted public keys
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		IdleConnTimeout: keysTimeout, MaxResponseHeaderBytes: maxHeader,
	})}, nil
}

// Verify returns the claims of a token that this authority has signed, with RS256, and that is valid now, give or take
// the skew between the clocks. The error is an *[Error]: its cause is CauseNoSigningKeys if the authority could not be
// asked, and any other means that the token is refused. The HTTP proxy of the environment is used.
func (a *Authority) Verify(ctx context.Context, token string, now time.Time, skew time.Duration) (policy.Claims, error) {
	claims, unchecked, failure := a.verify(ctx, token, now, skew)
	switch {
	case failure != nil:
		return nil, failure
	case unchecked != nil:
		return nil, unchecked
	}
	return claims, nil
}

// verify also returns the claims if the authority could not be asked for its keys; unchecked then says why.
func (a *Authority) verify(ctx context.Context, token string, now time.Time, skew time.Duration) (claims policy.Claims, unchecked, failure *Error) {
	if len(token) > maxToken {
		return nil, nil, tokenError(KindMalformed, CauseNotToken)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, nil, tokenError(KindMalformed, CauseNotToken)
	}
	claims, failure = a.claims(jws.UnsafePayloadWithoutVerification(), now, skew)
	if failure != nil {
		return nil, nil, failure
	}
	keys, unchecked := a.signingKeys(ctx, jws.Signatures[0].Header.KeyID)
	if unchecked == nil && !signedByAny(jws, keys) {
		return nil, nil, tokenError(KindRefused, CauseSignature)
	}
	return claims, unchecked, nil
}

// claims reads the payload of a token and checks its issuer and times. It does not check the signature.
func (a *Authority) claims(payload []byte, now time.Time, skew time.Duration) (policy.Claims, *Error) {
	claims, err := policy.ParseClaims(payload)
	if err != nil {
		return nil, tokenError(KindMalformed, CauseNotToken)
	}
	from, until := claims.Time("nbf"), claims.Time("exp")
	switch {
	case claim[string](claims, "iss") != a.url:
		return nil, tokenError(KindRefused, CauseIssuer)
	case from.IsZero() || from.After(now.Add(skew)) || !until.After(now.Add(-skew)):
		return nil, tokenError(KindRefused, CauseExpired)
	}
	return claims, nil
}

func signedByAny(jws *jose.JSONWebSignature, keys []*rsa.PublicKey) bool {
	return slices.ContainsFunc(keys, func(key *rsa.PublicKey) bool {
		_, err := jws.Verify(key)
		return err == nil
	})
}

// claim returns a claim, or the zero value if it is missing or has another type.
func claim[T any](claims policy.Claims, name string) T {
	value, _ := claims[name].(T) //nolint:errcheck // see above
	return value
}

// signingKeys fetches the authority's signing keys with the given id.
func (a *Authority) signingKeys(ctx context.Context, id string) ([]*rsa.PublicKey, *Error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	failure := tokenError(KindUnreachable, CauseNoSigningKeys)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/certs", http.NoBody)
	if err != nil {
		return nil, failure
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, failure
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	failure.Status = response.StatusCode
	body, err := readLimited(response.Body, maxResponse)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, failure
	}
	keys, err := parseSigningKeys(body, id)
	if err != nil {
		return nil, failure
	}
	return keys, nil
}

// parseSigningKeys returns the RSA keys with the given id in a JWK set (RFC 7517 section 5), whose entries may have x5c only
// (section 4.7). It skips other entries.
func parseSigningKeys(body []byte, id string) ([]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(body) > maxResponse || json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, errors.New("parsing signing keys: want a JWK set of at most 1 MiB")
	}
	var found []*rsa.PublicKey
	for _, text := range set.Keys {
		if len(found) == maxKeys {
			break
		}
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

// publicKey takes the key from n and e, which must match the certificate, or from the certificate if there is no n.
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
	public, _ := key.(*rsa.PublicKey) //nolint:errcheck // nil for other types of keys
	return public
}
