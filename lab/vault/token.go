package vault

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
	jsonstrict "github.com/go-jose/go-jose/v4/json"

	"kafka-e2ee/lab/rest"
	"kafka-e2ee/skrclient/policy"
)

var errUnreachable = errors.New("the keys of the attestation service cannot be fetched")

// verify returns the claims of a token that is valid now and signed with RS256 by
// its issuer, an authority of the policy. If the policy names the issuer, verify
// also returns it with an error.
func (v *Vault) verify(ctx context.Context, token string, p policy.Policy) (issuer string, claims policy.Claims, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "", nil, errors.New("not a token signed with RS256")
	}
	unverified, err := policy.ParseClaims(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return "", nil, err
	}
	// The vault asks only authorities of the policy for keys.
	issuer, _ = unverified["iss"].(string) //nolint:errcheck // an issuer that is not a string is not trusted
	if !p.Trusts(issuer) {
		return "", nil, errors.New("the issuer is not an authority of the policy")
	}
	key, err := v.authorityKey(ctx, issuer, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return issuer, nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return issuer, nil, errors.New("the signature is not of the authority")
	}
	if claims, err = policy.ParseClaims(payload); err != nil {
		return issuer, nil, err
	}
	now := float64(v.cfg.Now().Unix())
	if exp, there := number(claims["exp"]); !there || now >= exp {
		return issuer, nil, errors.New("expired")
	}
	if nbf, there := number(claims["nbf"]); !there || now < nbf {
		return issuer, nil, errors.New("not valid yet")
	}
	return issuer, claims, nil
}

func number(claim any) (float64, bool) {
	n, ok := claim.(jsonstrict.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// authorityKey fetches the signing key from the authority. It ignores the token's
// "jku", which could name any host.
func (v *Vault) authorityKey(ctx context.Context, issuer, kid string) (*rsa.PublicKey, error) {
	var discovery struct {
		Keys string `json:"jwks_uri"`
	}
	if err := v.fetch(ctx, issuer+"/.well-known/openid-configuration", &discovery); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(discovery.Keys, issuer+"/") {
		return nil, errors.New("the authority's keys are on another host")
	}
	var set struct {
		Keys []struct {
			ID  string   `json:"kid"`
			X5C []string `json:"x5c"`
		}
	}
	if err := v.fetch(ctx, discovery.Keys, &set); err != nil {
		return nil, err
	}
	for _, key := range set.Keys {
		if key.ID != kid || len(key.X5C) == 0 {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(key.X5C[0])
		if err != nil {
			return nil, errors.New("the authority's certificate is not base64")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("the authority's certificate cannot be read")
		}
		if public, ok := cert.PublicKey.(*rsa.PublicKey); ok {
			return public, nil
		}
	}
	return nil, errors.New("the authority has no such key")
}

func (v *Vault) fetch(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	response, err := v.cfg.Authorities.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	body, err := io.ReadAll(io.LimitReader(response.Body, rest.MaxBody))
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(body, into) != nil {
		return fmt.Errorf("%w: status %d", errUnreachable, response.StatusCode)
	}
	return nil
}
