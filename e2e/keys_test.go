package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// keys are a key pair that a sidecar releases, and a sender's.
type keys struct {
	key     *rsa.PrivateKey
	public  string // PEM
	sidecar string // address
	signing string // file
	trusted string // file
}

const senderName = "the test's producer"

func newKeys(t testing.TB) keys { return keysOf(t, newKey(t)) }

func keysOf(t testing.TB, key *rsa.PrivateKey) keys {
	t.Helper()
	k := keys{key: key}
	k.public = publicPEM(t, &k.key.PublicKey)
	_, k.sidecar = sidecar(t, k.key)
	k.signing, k.trusted = newSender(t, senderName)
	return k
}

// publicPEM is the key as the document hands it to the producer.
func publicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// newSender makes a signing key, and the file that names its holder.
func newSender(t testing.TB, name string) (signing, trusted string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	signing, trusted = filepath.Join(dir, "signing.pem"), filepath.Join(dir, "trusted.pem")
	for file, text := range map[string]string{
		signing: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		trusted: "# " + name + "\n" + publicPEM(t, public),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return signing, trusted
}
