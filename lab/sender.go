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

// The producer's signing key: its file, and its name in the consumers' list.
const (
	signingFile = "signing-key.pem"
	senderName  = "lab producer"
)

// sender is what proves who wrote a record, in formats that carry signatures.
type sender struct {
	signing string // the producer's SIGNING_KEY_FILE
	trusted string // for the consumers' TRUSTED_SENDERS
}

// newSender makes a signing key in a file.
func newSender(dir, file, name string) (sender, error) {
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
		signing: filepath.Join(dir, file),
		trusted: name + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: verification})),
	}
	if err := os.WriteFile(s.signing, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return sender{}, fmt.Errorf("writing the signing key: %w", err)
	}
	return s, nil
}
