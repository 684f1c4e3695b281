package harness

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"kafka-e2ee/skrclient/skrtest"
)

// SenderName is the name that [NewKeys] gives to its sender.
const SenderName = "the test's producer"

// A Kafka user of the tests.
const (
	KafkaUser     = "app"
	PlainPassword = "canary-plain-password"
	ScramPassword = "canary-scram-password"
)

// NewKey makes a fresh key pair of the article's size.
func NewKey(t testing.TB) *rsa.PrivateKey { return NewKeyOf(t, 3072) }

// NewKeyOf makes a fresh key pair of so many bits.
func NewKeyOf(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	remember("d", key.D.Bytes())
	remember("p", key.Primes[0].Bytes())
	remember("q", key.Primes[1].Bytes())
	return key
}

// NewECKey makes a fresh key for a certificate.
func NewECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	remember("certificate key", secret)
	return key
}

// NewSender makes a signing key, and the file that names its holder.
func NewSender(t testing.TB, name string) (signing, trusted string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	remember("signing key", private.Seed())
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	signing, trusted = filepath.Join(dir, "signing.pem"), filepath.Join(dir, "trusted.pem")
	for file, text := range map[string]string{
		signing: PEM("PRIVATE KEY", der),
		trusted: "# " + name + "\n" + PublicPEM(t, public),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return signing, trusted
}

// PublicPEM returns a public key as the article hands it to the producer.
func PublicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return PEM("PUBLIC KEY", der)
}

// PrivatePEM returns a private key as readers' files hold it.
func PrivatePEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return PEM("PRIVATE KEY", der)
}

// PEM returns one block of text.
func PEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Sidecar starts a stand-in for the sidecar, which releases the key, and returns its address.
func Sidecar(t testing.TB, key *rsa.PrivateKey) (*skrtest.Sidecar, string) {
	t.Helper()
	s, err := skrtest.New(map[string]*rsa.PrivateKey{KeyName: key})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// Keys are a key pair, a sidecar that releases it, and a sender.
type Keys struct {
	Private *rsa.PrivateKey
	Public  string // PEM
	Sidecar string // address
	Signing string // file
	Trusted string // file
}

// NewKeys makes fresh Keys.
func NewKeys(t testing.TB) Keys { return KeysOf(t, NewKey(t)) }

// KeysOf makes Keys of a key pair.
func KeysOf(t testing.TB, key *rsa.PrivateKey) Keys {
	t.Helper()
	k := Keys{Private: key, Public: PublicPEM(t, &key.PublicKey)}
	_, k.Sidecar = Sidecar(t, key)
	k.Signing, k.Trusted = NewSender(t, SenderName)
	return k
}
