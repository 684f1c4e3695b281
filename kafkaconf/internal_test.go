package kafkaconf

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"kafka-e2ee/settings"
)

// Without it a damaged secret could crash the program, or end in its log.
func FuzzConnectionString(f *testing.F) {
	f.Add("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=a+b/c=;EntityPath=hub")
	f.Add("Endpoint=sb://ns/;SharedAccessSignature=SharedAccessSignature sr=sb%3a&sig=x&se=9")
	f.Add("Endpoint=sb://[::1/;;=")
	f.Fuzz(func(t *testing.T, text string) {
		namespace, err := parseConnectionString(text)
		if (err == nil) == (namespace == "") {
			t.Errorf("namespace %q, error %v", namespace, err)
		}
		checkProblem(t, err)
	})
}

// Without it a damaged token file could crash the program, or inject bytes into the sign-in.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1700000000}`)) + ".sig")
	f.Add("opaque==")
	f.Add("a.e30.b\x01auth=Bearer x")
	f.Fuzz(func(t *testing.T, text string) {
		expires, err := parseToken(text)
		if err == nil && (text == "" || strings.ContainsAny(text, "\x00\x01 ,\r\n")) {
			t.Errorf("%q is accepted as a token", text)
		}
		if !expires.IsZero() && expires.Unix() <= 0 {
			t.Errorf("expires at %v", expires)
		}
		checkProblem(t, err)
	})
}

func checkProblem(t *testing.T, err error) {
	t.Helper()
	var wrong *settings.Error
	if err != nil && (!errors.As(err, &wrong) || wrong.Variable == "" || len(wrong.Err.Error()) > 120) {
		t.Errorf("the error could hold what was parsed: %v", err)
	}
}

// Without it an expired token would be sent, and Kafka's refusal would not say why.
func TestExpiredTokenIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write := func(expires time.Time) {
		claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, expires.Unix()))
		if err := os.WriteFile(path, []byte("e30."+claims+".c2ln\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := Settings{Brokers: []string{"a:1"}, Protocol: saslSSL, Mechanism: "OAUTHBEARER", TokenFile: path}
	write(time.Unix(1_700_000_000, 0))
	if err := s.Check(); err != nil {
		t.Errorf("an expired token, which may be renewed at any moment, stops the program from starting: %v", err)
	}
	_, err := s.currentToken(context.Background())
	if cause := s.Explain(err); !strings.Contains(cause.What, "expired at 2023-11-14T22:13:20Z") || cause.Hint != "KAFKA_TOKEN_FILE" {
		t.Errorf("got %v", cause)
	}
	write(time.Now().Add(time.Hour))
	if token, err := s.currentToken(context.Background()); err != nil || !strings.HasPrefix(token, "e30.") {
		t.Errorf("%q, %v", token, err)
	}
}

// authority answers like Microsoft Entra, and records requests.
type authority struct {
	asked  []string
	status int
	body   string
}

func (a *authority) Do(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	a.asked = append(a.asked, r.URL.String()+"?"+string(sent))
	status, body := a.status, a.body
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		status, body = http.StatusOK, `{"token_endpoint":"https://login.microsoftonline.com/t/token","issuer":"https://login.microsoftonline.com/t","authorization_endpoint":"https://login.microsoftonline.com/t/authorize"}`
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"application/json"}}, Request: r}, nil
}

// Without it a pod with a workload identity would request a token of the wrong scope, or not say why it gets none.
func TestAzureWorkloadIdentity(t *testing.T) {
	t.Parallel()
	assertion := filepath.Join(t.TempDir(), "assertion")
	if err := os.WriteFile(assertion, []byte("the-pods-own-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	entra := &authority{status: http.StatusOK, body: `{"access_token":"a.b.c","expires_in":3600,"token_type":"Bearer"}`}
	options := &azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: entra, Retry: policy.RetryOptions{MaxRetries: -1}},
		ClientID:      "client", TenantID: "t", TokenFilePath: assertion, DisableInstanceDiscovery: true,
	}
	ask := func() (string, error) {
		tokens, err := azureTokens("https://ns.servicebus.windows.net/.default", options)
		if err != nil {
			t.Fatal(err)
		}
		return tokens(context.Background())
	}
	if token, err := ask(); err != nil || token != "a.b.c" {
		t.Fatalf("%q, %v; asked %q", token, err, entra.asked)
	}
	if asked := strings.Join(entra.asked, "\n"); !strings.Contains(asked, "ns.servicebus.windows.net%2F.default") || !strings.Contains(asked, "client_assertion=the-pods-own-token") {
		t.Errorf("asked %s", asked)
	}
	refusal, err := json.Marshal(map[string]string{"error": "invalid_client", "error_description": "AADSTS70021: No matching federated identity record for canary"})
	if err != nil {
		t.Fatal(err)
	}
	entra.status, entra.body = http.StatusUnauthorized, string(refusal)
	_, err = ask()
	s := Settings{Preset: "event-hubs"}
	cause := s.Explain(&connectError{"ns:9093", signingIn, err})
	if !strings.Contains(cause.What, "Microsoft Entra gives no token AADSTS70021") || strings.Contains(cause.String(), "canary") || !strings.Contains(cause.Hint, "AZURE_CLIENT_ID") {
		t.Errorf("got %q of %v", cause, err)
	}
}

// Without it a container group would ask for a token for something else than Event Hubs, or not say why it gets none.
func TestAzureManagedIdentity(t *testing.T) {
	t.Parallel()
	platform := &authority{status: http.StatusOK, body: `{"access_token":"a.b.c","expires_in":"3600","token_type":"Bearer"}`}
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: platform, Retry: policy.RetryOptions{MaxRetries: -1}}}
	ask := func(scope string) (string, error) {
		tokens, err := managedTokens(scope, options)
		if err != nil {
			t.Fatal(err)
		}
		return tokens(context.Background())
	}
	namespace := fmt.Sprint("ns", time.Now().UnixNano()) // the process keeps tokens, for another run of this test, too
	if token, err := ask("https://" + namespace + ".servicebus.windows.net/.default"); err != nil || token != "a.b.c" {
		t.Fatalf("%q, %v; asked %q", token, err, platform.asked)
	}
	if asked := strings.Join(platform.asked, "\n"); !strings.Contains(asked, "http://169.254.169.254/metadata/identity/oauth2/token?") || !strings.Contains(asked, "resource=https%3A%2F%2F"+namespace+".servicebus.windows.net") {
		t.Errorf("asked %s", asked)
	}
	platform.status, platform.body = http.StatusForbidden, `{"error":"unauthorized_client","error_description":"AADSTS700016: canary"}`
	_, err := ask("https://other.servicebus.windows.net/.default")
	s := Settings{Preset: "event-hubs", AzureIdentity: managedIdentity}
	cause := s.Explain(&connectError{"ns:9093", signingIn, err})
	if !strings.Contains(cause.What, "Microsoft Entra gives no token AADSTS700016") || strings.Contains(cause.String(), "canary") || !strings.Contains(cause.Hint, "managed identity") {
		t.Errorf("got %q of %v", cause, err)
	}
}
