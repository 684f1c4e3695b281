package azure_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	releasepolicy "kafka-e2ee/skrclient/policy"
)

// credential gets tokens for an identity in the emulated cloud.
type credential struct {
	cloud    *cloud.Cloud
	clientID string
}

func (c credential) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.cloud.Identities.Token(c.clientID, strings.TrimSuffix(options.Scopes[0], "/.default"))
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, err
}

func keysClient(t *testing.T, c *cloud.Cloud, clientID string) *azkeys.Client {
	t.Helper()
	client, err := azkeys.NewClient("https://"+harness.VaultHost, credential{c, clientID}, &azkeys.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: c.Client(), Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Without this the emulated vault could differ from Azure's where it matters: here Azure's SDK itself creates, reads,
// updates, releases and deletes a key.
func TestAzureSDK(t *testing.T) {
	t.Parallel()
	c := harness.StartCloud(t, harness.VaultHost)
	ctx := t.Context()
	guest := snp.Guest{SecurityPolicy: []byte("policy"), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	text, err := json.Marshal(releasepolicy.ForWorkload(harness.AttestationHost, measured))
	if err != nil {
		t.Fatal(err)
	}
	create := func() *azkeys.KeyBundle {
		made, err := keysClient(t, c, cloud.OperatorID).CreateKey(ctx, "demo", azkeys.CreateKeyParameters{
			Kty: new(azkeys.KeyTypeRSAHSM), KeySize: new(int32(3072)), KeyAttributes: &azkeys.KeyAttributes{Exportable: new(true)},
			KeyOps:        []*azkeys.KeyOperation{new(azkeys.KeyOperationDecrypt)},
			ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: text, ContentType: new("application/json; charset=utf-8")},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &made.KeyBundle
	}
	first, second := create(), create()
	operator := keysClient(t, c, cloud.OperatorID)
	for version, want := range map[string]*azkeys.KeyBundle{"": second, first.Key.KID.Version(): first} {
		got, err := operator.GetKey(ctx, "demo", version, nil)
		if err != nil || *got.Key.KID != *want.Key.KID || !bytes.Equal(got.Key.N, want.Key.N) || !bytes.Equal(got.ReleasePolicy.EncodedPolicy, text) {
			t.Errorf("getting version %q: another key, or another policy: %v", version, err)
		}
	}
	versions := 0
	for pager := operator.NewListKeyPropertiesVersionsPager("demo", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		versions += len(page.Value)
	}
	if versions != 2 {
		t.Errorf("listed %d versions, want 2", versions)
	}

	pod := keysClient(t, c, cloud.PodID)
	runtime, err := wrappingKey(t)
	if err != nil {
		t.Fatal(err)
	}
	attested, err := c.Pod(guest, cloud.PodID).Attest(ctx, harness.AttestationHost, runtime)
	if err != nil {
		t.Fatal(err)
	}
	release := func(version string) (azkeys.ReleaseResponse, error) {
		return pod.Release(ctx, "demo", version, azkeys.ReleaseParameters{
			TargetAttestationToken: &attested.Token, Algorithm: new(azkeys.KeyEncryptionAlgorithmRSAAESKEYWRAP256),
		}, nil)
	}
	var refused *azcore.ResponseError
	if _, err := release(""); !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden || refused.ErrorCode != "Forbidden" {
		t.Errorf("releasing without a role: %v", err)
	}
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	for _, version := range []string{"", first.Key.KID.Version()} {
		if released, err := release(version); err != nil || released.Value == nil || strings.Count(*released.Value, ".") != 2 {
			t.Errorf("releasing version %q: %v", version, err)
		}
	}
	unbound := bytes.Replace(text, []byte(hex.EncodeToString(measured[:])), []byte("none"), 1)
	for _, step := range []struct {
		version string
		policy  []byte
		allowed bool
	}{{first.Key.KID.Version(), unbound, false}, {first.Key.KID.Version(), text, true}, {"", unbound, false}} {
		updated, err := operator.UpdateKey(ctx, "demo", step.version, azkeys.UpdateKeyParameters{ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: step.policy}}, nil)
		if err != nil || !bytes.Equal(updated.ReleasePolicy.EncodedPolicy, step.policy) {
			t.Errorf("updating version %q: %v", step.version, err)
		}
		if _, err := release(step.version); (err == nil) != step.allowed {
			t.Errorf("releasing version %q, once updated: %v", step.version, err)
		}
	}
	if _, err := operator.DeleteKey(ctx, "demo", nil); err != nil {
		t.Error(err)
	}
	if _, err := operator.GetKey(ctx, "demo", "", nil); !errors.As(err, &refused) || refused.ErrorCode != "KeyNotFound" {
		t.Errorf("getting a deleted key: %v", err)
	}
}

// wrappingKey returns runtime data with a wrapping key.
func wrappingKey(t *testing.T) ([]byte, error) {
	t.Helper()
	key := harness.NewKeyOf(t, 2048)
	sum := sha256.Sum256(key.N.Bytes())
	return json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": hex.EncodeToString(sum[:]), "key_ops": []string{"encrypt"}, "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
	}}})
}
