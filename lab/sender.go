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

// senderName is what the consumers call the holder of the signing key.
const senderName = "lab producer"

// sender is the files that prove who wrote a record.
type sender struct {
	signing string // the producer's SIGNING_KEY_FILE
	trusted string // the consumers' TRUSTED_SENDERS_FILE
	seen    string // what there is to see of it
}

// newSender makes a signing key where the format can carry its signature.
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
	known, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return sender{}, fmt.Errorf("encoding the signing key: %w", err)
	}
	s := sender{
		signing: filepath.Join(dir, "signing-key.pem"), trusted: filepath.Join(dir, "trusted-senders.pem"),
		seen: ", from a proven sender",
	}
	files := map[string][]byte{
		s.signing: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		s.trusted: append([]byte(senderName+"\n"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: known})...),
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return sender{}, fmt.Errorf("writing the sender's keys: %w", err)
		}
	}
	return s, nil
}
