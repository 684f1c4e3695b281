package harness

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// recorder collects the errors of the check itself.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.errors++ }

// Without this the check that guards every log could be blind, and a private key could reach an operator unseen.
func TestNoSecretsFindsEveryKey(t *testing.T) {
	key, certificate := NewKeyOf(t, 2048), NewECKey(t)
	secret, err := certificate.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	signing, _ := NewSender(t, "somebody")
	text, err := os.ReadFile(signing)
	if err != nil {
		t.Fatal(err)
	}
	for name, output := range map[string]string{
		"RSA":    key.D.String(),
		"prime":  base64.StdEncoding.EncodeToString(key.Primes[1].Bytes()),
		"EC":     base64.RawURLEncoding.EncodeToString(secret),
		"PEM":    string(text),
		"PKCS 8": base64.StdEncoding.EncodeToString(encoded(t, x509.MarshalPKCS8PrivateKey, any(certificate))),
		"SEC 1":  hex.EncodeToString(encoded(t, x509.MarshalECPrivateKey, certificate)),
		"DER":    string(encoded(t, x509.MarshalECPrivateKey, certificate)),
		"token":  "Authorization: Bearer x",
		"header": "eyJhbGciOiJSUzI1NiJ9",
	} {
		r := &recorder{TB: t}
		if NoSecrets(r, "the output", "before "+output+" after"); r.errors == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	r := &recorder{TB: t}
	if NoSecrets(r, "the output", "nothing secret, with key R5eyJoWx0123456789abcdefghijklmnopqrstuvwxyzABC."); r.errors != 0 {
		t.Error("found a secret where there is none")
	}
}

// encoded encodes a key that the check does not know by its number.
func encoded[K any](t *testing.T, marshal func(K) ([]byte, error), key K) []byte {
	t.Helper()
	der, err := marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Without this a test could make a key of its own, which the check of the logs would not look for.
func TestEveryKeyIsMadeHere(t *testing.T) {
	makers := []string{"harness/keys.go", "cluster/secrets.go"} // the latter is of a program, make cluster-test
	const call = "." + "GenerateKey("
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || slices.Contains(makers, name) {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(".."), name)
		if strings.Contains(string(text), call) {
			t.Errorf("%s makes a key of its own (hint: harness.NewKey, NewECKey or NewSender)", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
