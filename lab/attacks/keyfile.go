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
	"kafka-e2ee/lab/atomicfile"
)

// sealer encrypts with the producer's public keys. Whoever knows them can.
func (o *operator) sealer(format envelope.Format) (*envelope.Sealer, error) {
	readers, err := o.publicKeys()
	if err != nil {
		return nil, err
	}
	return envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: o.target.Topic, Readers: readers})
}

// publicKeys returns the producer's public keys.
func (o *operator) publicKeys() ([]*rsa.PublicKey, error) {
	text, err := os.ReadFile(o.target.PublicKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	return envelope.ParsePublicKeys(text)
}

// keyIDs returns the ids of the producer's public keys.
func (o *operator) keyIDs() ([]string, error) {
	readers, err := o.publicKeys()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(readers))
	for i, reader := range readers {
		ids[i] = envelope.KeyID(reader)
	}
	return ids, nil
}

// changeKeyFile changes the public key's file. The result puts it back, unless somebody has replaced it since.
func (o *operator) changeKeyFile(key *rsa.PublicKey, add bool) (restore func() error, err error) {
	file := o.target.PublicKeyFile
	before, err := os.ReadFile(file) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	info, err := os.Stat(file)
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
	restore = func() error {
		if now, err := os.ReadFile(file); err == nil && !bytes.Equal(now, after) { //nolint:gosec // as above
			return nil
		}
		return atomicfile.Write(file, before, info.Mode().Perm())
	}
	if err := atomicfile.Write(file, after, info.Mode().Perm()); err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}
