package env

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
)

// The producer's signing key: its file, and its name in the consumers' list.
const (
	SigningKeyFile = "signing-key.pem"
	SenderName     = "lab producer"
)

// Sender is what proves who wrote a record, in formats that carry signatures.
type Sender struct {
	SigningKeyFile string // the producer's SIGNING_KEY_FILE
	Trusted        string // for the consumers' TRUSTED_SENDERS
}

// NewSender returns the sender of that name whose signing key is in a file of the folder, and makes the key first if there
// is none.
func NewSender(dir, file, name string) (Sender, error) {
	text, err := loadOrCreate(dir, file, func() ([]byte, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return Sender{}, fmt.Errorf("loading the signing key: %w", err)
	}
	public, err := verificationKey(text)
	if err != nil {
		return Sender{}, fmt.Errorf("reading the signing key: %w", err)
	}
	return Sender{
		SigningKeyFile: filepath.Join(dir, file),
		Trusted:        name + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}, nil
}

// verificationKey returns the public half of a signing key.
func verificationKey(text []byte) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an Ed25519 key")
	}
	return x509.MarshalPKIXPublicKey(private.Public())
}
