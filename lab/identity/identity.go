// Package identity emulates the endpoint at 169.254.169.254 that gives a pod a
// token for its managed identity, and verifies such tokens for the vault.
//
// It gives any client a token for any identity that it knows. In a cloud the
// network restricts who reaches it; here nothing does.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"kafka-e2ee/lab/rest"
)

// TokenPath is the path of the token endpoint.
const TokenPath = "/metadata/identity/oauth2/token"

const lifetime = time.Hour

// Service issues tokens. It is safe for concurrent use.
type Service struct {
	issuer string
	known  []string
	key    *ecdsa.PrivateKey
	signer jose.Signer
	now    func() time.Time
}

type claims struct {
	jwt.Claims
	AppID string `json:"appid"`
}

// New returns a service that knows the given client ids. The first is the default
// for requests without client_id.
func New(issuer string, clientIDs ...string) (*Service, error) {
	if len(clientIDs) == 0 {
		return nil, errors.New("making identities: want at least one")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the identities' key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("making the identities' signer: %w", err)
	}
	return &Service{issuer: issuer, known: clientIDs, key: key, signer: signer, now: time.Now}, nil
}

// ServeHTTP answers like the instance metadata service.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id := query.Get("client_id")
	if id == "" {
		id = s.known[0]
	}
	refuse := func(status int, code, description string) {
		rest.Write(w, status, map[string]string{"error": code, "error_description": description})
	}
	switch {
	case r.URL.Path != TokenPath:
		refuse(http.StatusNotFound, "not_found", "Not found")
		return
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed, "invalid_request", "Method not allowed")
		return
	case r.Header.Get("Metadata") != "true":
		refuse(http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
		return
	case query.Get("resource") == "" || query.Get("api-version") == "":
		refuse(http.StatusBadRequest, "invalid_request", "Required query variables resource and api-version not specified")
		return
	case !slices.Contains(s.known, id):
		refuse(http.StatusBadRequest, "invalid_request", "Identity not found")
		return
	}
	token, err := s.Token(id, query.Get("resource"))
	if err != nil {
		refuse(http.StatusInternalServerError, "server_error", "The token cannot be made")
		return
	}
	expires := s.now().Add(lifetime).Unix()
	rest.Write(w, http.StatusOK, map[string]string{
		"access_token": token, "client_id": id, "resource": query.Get("resource"), "token_type": "Bearer",
		"expires_in": strconv.Itoa(int(lifetime.Seconds())), "expires_on": strconv.FormatInt(expires, 10),
	})
}

// Token issues a token for the identity and a resource such as
// https://vault.azure.net. It is valid for one hour.
func (s *Service) Token(clientID, resource string) (string, error) {
	now := s.now()
	return jwt.Signed(s.signer).Claims(claims{AppID: clientID, Claims: jwt.Claims{
		Issuer: s.issuer, Audience: jwt.Audience{strings.TrimSuffix(resource, "/")}, Subject: clientID,
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(lifetime)),
	}}).Serialize()
}

// Verify returns the identity in a token if this service issued it for the
// resource and it is valid now. Errors never contain the token.
func (s *Service) Verify(token, resource string) (clientID string, err error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", errors.New("verifying access token: not a signed token")
	}
	var got claims
	if parsed.Claims(s.key.Public(), &got) != nil {
		return "", errors.New("verifying access token: not signed by this identity provider")
	}
	want := jwt.Expected{Issuer: s.issuer, AnyAudience: jwt.Audience{strings.TrimSuffix(resource, "/")}, Time: s.now()}
	if got.Expiry == nil || got.ValidateWithLeeway(want, 0) != nil {
		return "", errors.New("verifying access token: expired, not valid yet, or for another resource")
	}
	return got.AppID, nil
}
