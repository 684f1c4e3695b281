package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"kafka-e2ee/envelope"
)

// senderName is the name of the signing key in the consumers' list.
const senderName = "lab producer"

// sender is what proves who wrote a record.
type sender struct {
	signing string // the producer's SIGNING_KEY_FILE
	trusted string // the consumers' TRUSTED_SENDERS
	note    string // for the greeting
}

// newSender makes a signing key if the format carries signatures.
func newSender(dir string, format envelope.Format) (sender, error) {
	if format == envelope.FormatRSA {
		return sender{}, nil
	}
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
		signing: filepath.Join(dir, "signing-key.pem"), note: ", from a proven sender",
		trusted: senderName + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: verification})),
	}
	if err := os.WriteFile(s.signing, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return sender{}, fmt.Errorf("writing the signing key: %w", err)
	}
	return s, nil
}
