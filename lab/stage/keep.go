package stage

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
	"kafka-e2ee/lab/ca"
	"kafka-e2ee/lab/setupkey"
)

// keptKey is the private key of the folder. One that is there is kept whatever
// state it is in, since records sealed for it are in Kafka.
func keptKey(folder string) (*rsa.PrivateKey, error) {
	text, err := kept(folder, "key.pem", func() ([]byte, error) {
		key, err := rsa.GenerateKey(rand.Reader, setupkey.Bits)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the vault's key: %w", err)
	}
	return envelope.ParsePrivateKey(text)
}

// keptAuthority is the authority of the folder: consumers that run while this
// process is started again go on trusting it.
func keptAuthority(folder string) (*ca.Authority, error) {
	text, err := kept(folder, "ca.pem", func() ([]byte, error) {
		authority, err := ca.New()
		if err != nil {
			return nil, err
		}
		return authority.Marshal()
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the authority: %w", err)
	}
	return ca.Parse(text)
}

// kept reads the file, which is first made where there is none; without a folder
// it is made each time and written nowhere.
func kept(folder, name string, produce func() ([]byte, error)) ([]byte, error) {
	if folder == "" {
		return produce()
	}
	file := filepath.Join(folder, name)
	text, err := os.ReadFile(file) //nolint:gosec // whoever starts this says which folder
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = produce(); err != nil {
		return nil, err
	}
	return text, write(file, text, 0o600)
}

// write puts the whole file there or nothing: half a key would stay for ever, and
// a program that reads it just then would take it for broken.
func write(file string, text []byte, mode fs.FileMode) error {
	draft, err := os.CreateTemp(filepath.Dir(file), ".draft-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	defer os.Remove(draft.Name()) //nolint:errcheck // it is gone already where all went well
	_, err = draft.Write(text)
	err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	return nil
}
