package env

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
	"kafka-e2ee/lab/atomicfile"
	"kafka-e2ee/lab/ca"
)

func newKey() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, 3072) // the article's size
}

// persistedKey returns the private key of the folder. It never replaces a file
// that it cannot read: Kafka holds records for that key.
func persistedKey(dir string) (*rsa.PrivateKey, error) {
	text, err := loadOrCreate(dir, "key.pem", func() ([]byte, error) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return nil, fmt.Errorf("loading the vault's key: %w", err)
	}
	return envelope.ParsePrivateKey(text)
}

// persistedAuthority returns the certificate authority of the folder, so that
// running consumers still trust this process after its restart.
func persistedAuthority(dir string) (*ca.Authority, error) {
	text, err := loadOrCreate(dir, "ca.pem", func() ([]byte, error) {
		authority, err := ca.New()
		if err != nil {
			return nil, err
		}
		return authority.Marshal()
	})
	if err != nil {
		return nil, fmt.Errorf("loading the authority: %w", err)
	}
	return ca.Parse(text)
}

// loadOrCreate reads the file, and creates it first if there is none. Without a
// folder it writes nothing.
func loadOrCreate(dir, name string, create func() ([]byte, error)) ([]byte, error) {
	if dir == "" {
		return create()
	}
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file) //nolint:gosec // the folder is a command-line flag
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = create(); err != nil {
		return nil, err
	}
	return text, atomicfile.Write(file, text, 0o600)
}
