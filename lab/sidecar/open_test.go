package sidecar

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/ca"
	"kafka-e2ee/lab/keywrap"
)

type release struct {
	authority *ca.Authority
	wrapping  *rsa.PrivateKey
	key       *rsa.PrivateKey
	text      string
}

// newRelease returns a release that a vault of the given name signed.
func newRelease(t testing.TB, host string) *release {
	t.Helper()
	r := &release{}
	var err error
	if r.authority, err = ca.New(); err != nil {
		t.Fatal(err)
	}
	for _, into := range []**rsa.PrivateKey{&r.wrapping, &r.key} {
		if *into, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := r.authority.Issue(host)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := keywrap.Wrap(&r.wrapping.PublicKey, keywrap.RSA256, r.key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	payload, err := json.Marshal(map[string]any{
		"request": map[string]any{"enc": keywrap.RSA256},
		"response": map[string]any{"key": map[string]any{"key": map[string]any{
			"key_hsm": b64([]byte(`{"ciphertext":"` + b64(wrapped) + `"}`)),
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var x5c []string
	for _, der := range cert.Certificate {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(der))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: cert.PrivateKey}, (&jose.SignerOptions{}).WithHeader("x5c", x5c))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	if r.text, err = jws.CompactSerialize(); err != nil {
		t.Fatal(err)
	}
	return r
}

// Anyone who can answer in the vault's place could give the pod a key of their own.
func TestOpenRelease(t *testing.T) {
	r, other := newRelease(t, "vault.example"), newRelease(t, "vault.example")
	key, err := openRelease(r.text, "vault.example:443", r.authority.Pool(), r.wrapping)
	if err != nil || !key.Equal(r.key) {
		t.Fatalf("a good release: %v", err)
	}
	parts := strings.Split(r.text, ".")
	for name, c := range map[string]struct {
		text, vault string
		release     *release
	}{
		"another vault's":     {r.text, "other.example", r},
		"another authority's": {r.text, "vault.example", other},
		"for another pod":     {r.text, "vault.example", &release{authority: r.authority, wrapping: other.wrapping}},
		"payload swapped":     {parts[0] + "." + strings.Split(other.text, ".")[1] + "." + parts[2], "vault.example", r},
		"no certificates":     {"eyJhbGciOiJSUzI1NiJ9." + parts[1] + "." + parts[2], "vault.example", r},
		"unsigned":            {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "vault.example", r},
		"truncated":           {r.text[:len(r.text)/2], "vault.example", r},
		"empty":               {"", "vault.example", r},
	} {
		if _, err := openRelease(c.text, c.vault, c.release.authority.Pool(), c.release.wrapping); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// A crafted answer could crash the sidecar.
func FuzzOpenRelease(f *testing.F) {
	r := newRelease(f, "vault.example")
	pool := r.authority.Pool()
	f.Add(r.text)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := openRelease(text, "vault.example", pool, r.wrapping); err == nil && !key.Equal(r.key) {
			t.Fatal("got another key")
		}
	})
}
