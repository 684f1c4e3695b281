package kafkaconf

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/IBM/sarama"
)

// tokenSource gives a token for OAUTHBEARER that is good now.
type tokenSource func(context.Context) (string, error)

// tokens is where tokens come from. It checks what can be checked without asking anyone.
func (s Settings) tokens() (tokenSource, error) {
	scope := s.AzureScope
	switch {
	case s.TokenFile != "" && scope != "":
		return nil, &problem{"KAFKA_TOKEN_FILE and KAFKA_AZURE_SCOPE", "both are set; hint: keep one"}
	case s.TokenFile != "":
		_, _, err := s.tokenFile()
		return s.freshToken, err
	case scope == "" && !s.eventHubs():
		return nil, &problem{"KAFKA_TOKEN_FILE", "is not set; hint: set it, or KAFKA_AZURE_SCOPE for Azure workload identity"}
	case scope == "" && len(s.Brokers) > 0:
		scope = "https://" + host(s.Brokers[0]) + "/.default"
	}
	return azureTokens(scope, nil)
}

// azureTokens asks Microsoft Entra as the pod's workload identity; azidentity keeps each token for as long as it is good.
func azureTokens(scope string, options *azidentity.WorkloadIdentityCredentialOptions) (tokenSource, error) {
	identity, err := azidentity.NewWorkloadIdentityCredential(options)
	if err != nil {
		return nil, &problem{"AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE", "are not all set, so that this pod has no workload identity; " +
			"hint: label it azure.workload.identity/use=true, or set KAFKA_TOKEN_FILE or KAFKA_CONNECTION_STRING_FILE"}
	}
	return func(ctx context.Context) (string, error) {
		token, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return token.Token, err
	}, nil
}

func (s Settings) tokenFile() (token string, expires time.Time, err error) {
	text, err := readSecret("KAFKA_TOKEN_FILE", s.TokenFile)
	if err != nil {
		return "", time.Time{}, err
	}
	if expires, err = parseToken(text); err != nil {
		return "", time.Time{}, err
	}
	return text, expires, nil
}

// freshToken gives the file's token unless it says itself that it has expired: Kafka would only say no.
func (s Settings) freshToken(context.Context) (string, error) {
	token, expires, err := s.tokenFile()
	if err == nil && !expires.IsZero() && expires.Before(time.Now()) {
		return "", &problem{"KAFKA_TOKEN_FILE", fmt.Sprintf("the token expired at %s", expires.UTC().Format(time.RFC3339))}
	}
	return token, err
}

// parseToken checks that a text is a bearer token (RFC 6750, section 2.1), and gives the time at which it expires if
// it is a JWT that says so.
func parseToken(text string) (expires time.Time, err error) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"
	if body := strings.TrimRight(text, "="); body == "" || strings.Trim(body, allowed) != "" {
		return time.Time{}, &problem{"KAFKA_TOKEN_FILE", "the file does not hold a bearer token alone"}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}, nil // of another kind, as are those below
	}
	payload, bad := base64.RawURLEncoding.DecodeString(parts[1])
	if readable := bad == nil && json.Unmarshal(payload, &claims) == nil; !readable {
		return time.Time{}, nil
	}
	if claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}, nil
	}
	return time.Unix(int64(claims.Expires), 0), nil
}

// bearer is one token, as sarama takes it.
type bearer string

// Token gives it.
func (b bearer) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(b)}, nil
}
