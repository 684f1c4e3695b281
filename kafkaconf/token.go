package kafkaconf

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/IBM/sarama"

	"kafka-e2ee/settings"
)

// managedIdentity is the value of KAFKA_AZURE_IDENTITY for a container group or a machine.
const managedIdentity = "managed"

// tokenSource returns a currently valid token for OAUTHBEARER.
type tokenSource func(context.Context) (string, error)

// tokens returns the source of tokens. It makes only those checks that need no request.
func (s Settings) tokens() (tokenSource, error) {
	scope := s.AzureScope
	switch {
	case s.TokenFile != "" && scope != "":
		return nil, settings.Errorf("KAFKA_TOKEN_FILE and KAFKA_AZURE_SCOPE", "both are set (hint: keep one)")
	case s.TokenFile != "" && s.AzureIdentity != "":
		return nil, settings.Errorf("KAFKA_TOKEN_FILE and KAFKA_AZURE_IDENTITY", "both are set (hint: keep one)")
	case s.TokenFile != "":
		_, _, err := s.tokenFile()
		return s.currentToken, err
	case scope == "" && !s.eventHubs():
		return nil, settings.Errorf("KAFKA_TOKEN_FILE", "is not set (hint: set it, or KAFKA_AZURE_SCOPE for Azure workload identity)")
	case scope == "" && len(s.Brokers) > 0:
		scope = "https://" + hostOf(s.Brokers[0]) + "/.default"
	case !isScope(scope):
		return nil, settings.Errorf("KAFKA_AZURE_SCOPE", "want a scope such as https://NAMESPACE.servicebus.windows.net/.default")
	}
	switch s.AzureIdentity {
	case "", "workload":
		return azureTokens(scope, nil)
	case managedIdentity:
		return managedTokens(scope, nil)
	}
	return nil, settings.Errorf("KAFKA_AZURE_IDENTITY", "want workload or managed")
}

// isScope reports whether text is the scope of an application: its https or api address, followed by /.default.
func isScope(text string) bool {
	resource, ok := strings.CutSuffix(text, "/.default")
	address, err := url.Parse(resource)
	if !ok || err != nil || address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return false
	}
	if address.Scheme == "api" {
		return address.Host != "" && settings.IsHostName(address.Hostname())
	}
	return address.Scheme == "https" && address.Port() == "" && settings.IsHostName(address.Host) && strings.Trim(address.Path, "/") == ""
}

// azureTokens requests tokens from Microsoft Entra with the pod's workload identity. azidentity caches them.
func azureTokens(scope string, options *azidentity.WorkloadIdentityCredentialOptions) (tokenSource, error) {
	identity, err := azidentity.NewWorkloadIdentityCredential(options)
	if err != nil {
		return nil, settings.Errorf("AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE", "are not all set, so this pod has no workload identity "+
			"(hint: label it azure.workload.identity/use=true, or set KAFKA_TOKEN_FILE or KAFKA_CONNECTION_STRING_FILE, or KAFKA_AZURE_IDENTITY=managed outside of Kubernetes)")
	}
	return tokensOf(identity, scope), nil
}

// managedTokens requests tokens from the platform, for the managed identity of a container group or a machine: its only
// one, since not every platform lets a program choose.
func managedTokens(scope string, options *azidentity.ManagedIdentityCredentialOptions) (tokenSource, error) {
	identity, err := azidentity.NewManagedIdentityCredential(options)
	if err != nil {
		return nil, settings.Errorf("KAFKA_AZURE_IDENTITY", "the platform's variables for managed identities (IDENTITY_…, MSI_…) are wrong")
	}
	return tokensOf(identity, scope), nil
}

func tokensOf(identity azcore.TokenCredential, scope string) tokenSource {
	return func(ctx context.Context) (string, error) {
		token, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return token.Token, err
	}
}

func (s Settings) tokenFile() (token string, expires time.Time, err error) {
	text, err := settings.ReadLine("KAFKA_TOKEN_FILE", s.TokenFile)
	if err != nil {
		return "", time.Time{}, err
	}
	if expires, err = parseToken(text); err != nil {
		return "", time.Time{}, err
	}
	return text, expires, nil
}

// currentToken reads the token from the file. It returns an error if the token has expired, because Kafka would refuse it
// without saying why.
func (s Settings) currentToken(context.Context) (string, error) {
	token, expires, err := s.tokenFile()
	if err == nil && !expires.IsZero() && expires.Before(time.Now()) {
		return "", settings.Errorf("KAFKA_TOKEN_FILE", "the token expired at %s", expires.UTC().Format(time.RFC3339))
	}
	return token, err
}

// parseToken checks that text is a bearer token (RFC 6750, section 2.1). It returns the time at which the token expires if
// it is a JWT with that claim.
func parseToken(text string) (expires time.Time, err error) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"
	if body := strings.TrimRight(text, "="); body == "" || strings.Trim(body, allowed) != "" {
		return time.Time{}, settings.Errorf("KAFKA_TOKEN_FILE", "the file does not hold a bearer token alone")
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}, nil // not a JWT
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

// bearerToken implements sarama.AccessTokenProvider.
type bearerToken string

func (t bearerToken) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(t)}, nil
}
