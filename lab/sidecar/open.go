package sidecar

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/keywrap"
)

// openRelease verifies the vault's signature of the release, and unwraps the key.
func openRelease(text, vault string, roots *x509.CertPool, wrapping *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, errors.New("the release is not a JWS signed with RS256")
	}
	host, _, _ := strings.Cut(vault, ":")
	chains, err := jws.Signatures[0].Protected.Certificates(x509.VerifyOptions{DNSName: host, Roots: roots})
	if err != nil {
		return nil, errors.New("the release's certificate is not the vault's")
	}
	payload, err := jws.Verify(chains[0][0].PublicKey)
	if err != nil {
		return nil, errors.New("the release's signature is wrong")
	}
	var release struct {
		Request struct {
			Enc keywrap.Algorithm `json:"enc"`
		} `json:"request"`
		Response struct {
			Key struct {
				Key struct {
					HSM string `json:"key_hsm"`
				} `json:"key"`
			} `json:"key"`
		} `json:"response"`
	}
	if json.Unmarshal(payload, &release) != nil {
		return nil, errors.New("the release is not JSON")
	}
	hsm, err := base64.RawURLEncoding.DecodeString(release.Response.Key.Key.HSM)
	if err != nil {
		return nil, errors.New("key_hsm is not base64url")
	}
	var blob struct {
		Ciphertext string `json:"ciphertext"`
	}
	if json.Unmarshal(hsm, &blob) != nil {
		return nil, errors.New("key_hsm is not JSON")
	}
	wrapped, err := base64.RawURLEncoding.DecodeString(blob.Ciphertext)
	if err != nil {
		return nil, errors.New("the ciphertext is not base64url")
	}
	return keywrap.Unwrap(wrapping, release.Request.Enc, wrapped)
}

// domain returns the vault's domain, which names the resource of an access token:
// vault.azure.net for NAME.vault.azure.net.
func domain(vault string) string {
	host, _, _ := strings.Cut(vault, ":")
	_, rest, _ := strings.Cut(host, ".")
	return rest
}
