// Package standin plays, among real containers, what a laptop lacks: it makes
// the key pair and hands the private half to whoever asks, as the key-release
// sidecar does after attestation. Nothing is attested, and nothing here protects
// anything but the shape of the demo.
package standin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kafka-e2ee/envelope"
)

const keyBits = 3072

// MakeKeys writes a key pair as PEM files (PKCS#8 and PKIX) in two folders that
// different containers see. A private key that is there is kept, since records
// sealed for it are in Kafka; the public one is always written from it.
func MakeKeys(privateFile, publicFile string) error {
	key, err := LoadKey(privateFile)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newKey(privateFile)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding the public key: %w", err)
	}
	return write(publicFile, "PUBLIC KEY", der, 0o644)
}

// LoadKey reads a private key that MakeKeys wrote.
func LoadKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	key, err := envelope.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	return key, nil
}

func newKey(file string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making the key pair: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the private key: %w", err)
	}
	return key, write(file, "PRIVATE KEY", der, 0o600)
}

// write puts the whole file there or nothing: half a key would stay for ever.
func write(file, kind string, der []byte, mode fs.FileMode) error {
	draft, err := os.CreateTemp(filepath.Dir(file), ".draft-*")
	if err != nil {
		return fmt.Errorf("writing the %s: %w", kind, err)
	}
	defer os.Remove(draft.Name()) //nolint:errcheck // it is gone already where all went well
	err = errors.Join(draft.Chmod(mode), pem.Encode(draft, &pem.Block{Type: kind, Bytes: der}), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing the %s: %w", kind, err)
	}
	return nil
}
