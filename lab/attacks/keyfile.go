package attacks

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"kafka-e2ee/envelope"
)

// sealer encrypts with the producer's public keys. Whoever knows them can.
func (o *operator) sealer(format envelope.Format) (*envelope.Sealer, error) {
	text, err := os.ReadFile(o.target.PublicKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	readers, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return nil, err
	}
	return envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: o.target.Topic, Readers: readers})
}

// slipIn changes the public key's file. The result puts it back, unless somebody has replaced it since.
func (o *operator) slipIn(key *rsa.PublicKey, add bool) (restore func() error, err error) {
	file := o.target.PublicKeyFile
	before, err := os.ReadFile(file) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	after := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if add {
		after = append(bytes.Clone(before), after...)
	}
	replace := func(text []byte) error {
		if err := os.WriteFile(file, text, 0o600); err != nil { //nolint:gosec // the caller names it; it keeps its mode
			return fmt.Errorf("writing the public key: %w", err)
		}
		return nil
	}
	restore = func() error {
		if now, err := os.ReadFile(file); err == nil && !bytes.Equal(now, after) { //nolint:gosec // as above
			return nil
		}
		return replace(before)
	}
	if err := replace(after); err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}
