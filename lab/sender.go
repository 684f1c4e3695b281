package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// senderName is the name of the signing key in the consumers' list.
const senderName = "lab producer"

// sender is what proves who wrote a record, in formats that carry signatures.
type sender struct {
	signing string // the producer's SIGNING_KEY_FILE
	trusted string // the consumers' TRUSTED_SENDERS
}

// newSender makes a signing key.
func newSender(dir string) (sender, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return sender{}, fmt.Errorf("making the signing key: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return sender{}, fmt.Errorf("encoding the signing key: %w", err)
	}
	verification, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return sender{}, fmt.Errorf("encoding the signing key: %w", err)
	}
	s := sender{
		signing: filepath.Join(dir, "signing-key.pem"),
		trusted: senderName + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: verification})),
	}
	if err := os.WriteFile(s.signing, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return sender{}, fmt.Errorf("writing the signing key: %w", err)
	}
	return s, nil
}
