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

// persistedKeys returns the versions of the key in the folder, the newest last. It
// makes the first one if there is none. It never replaces a file that it cannot
// read: Kafka holds records for that key.
func persistedKeys(dir string) ([]*rsa.PrivateKey, error) {
	text, err := loadOrCreate(dir, versionFile(1), func() ([]byte, error) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		return encodeKey(key)
	})
	var keys []*rsa.PrivateKey
	for err == nil {
		var key *rsa.PrivateKey
		if key, err = envelope.ParsePrivateKey(text); err != nil {
			break
		}
		if keys = append(keys, key); dir == "" {
			return keys, nil
		}
		if text, err = os.ReadFile(filepath.Join(dir, versionFile(len(keys)+1))); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the folder is a command-line flag
			return keys, nil
		}
	}
	return nil, fmt.Errorf("loading version %d of the vault's key: %w", len(keys)+1, err)
}

// keepVersion writes a further version of the key to the folder, if there is one.
func keepVersion(dir string, version int, key *rsa.PrivateKey) error {
	_, err := loadOrCreate(dir, versionFile(version), func() ([]byte, error) { return encodeKey(key) })
	return err
}

func versionFile(version int) string {
	if version == 1 {
		return "key.pem"
	}
	return fmt.Sprintf("key-%d.pem", version)
}

func encodeKey(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
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
