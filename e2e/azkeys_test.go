package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"kafka-e2ee/lab/cloud"
	releasepolicy "kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
)

const (
	labMAA   = "attestation.lab.example"
	labVault = "vault.lab.example"
)

// startCloud starts the emulated cloud for one test, with a vault of that name.
func startCloud(t *testing.T, vaultHost string) *cloud.Cloud {
	t.Helper()
	c, err := cloud.New(cloud.Config{
		AttestationHost: labMAA, VaultHost: vaultHost, Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// credential gets tokens for an identity of the emulated cloud.
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
	client, err := azkeys.NewClient("https://"+labVault, credential{c, clientID}, &azkeys.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: c.Client(), Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Without this people who know Azure by its SDK would find that the emulated
// vault is none: the SDK itself creates, reads, releases and deletes a key.
func TestAzureSDK(t *testing.T) {
	c := startCloud(t, labVault)
	ctx := t.Context()
	guest := snp.Guest{SecurityPolicy: []byte("policy"), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	rules, err := releasepolicy.ForWorkload(labMAA, releasepolicy.KataCC, hex.EncodeToString(measured[:]))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(rules)
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
	runtime, err := wrappingKey()
	if err != nil {
		t.Fatal(err)
	}
	attested, err := c.Pod(guest, cloud.PodID).Attest(ctx, labMAA, runtime)
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
	if _, err := operator.DeleteKey(ctx, "demo", nil); err != nil {
		t.Error(err)
	}
	if _, err := operator.GetKey(ctx, "demo", "", nil); !errors.As(err, &refused) || refused.ErrorCode != "KeyNotFound" {
		t.Errorf("getting a deleted key: %v", err)
	}
}

// wrappingKey is runtime data with a wrapping key.
func wrappingKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key.N.Bytes())
	return json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": hex.EncodeToString(sum[:]), "key_ops": []string{"encrypt"}, "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
	}}})
}
