package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"

	"kafka-e2ee/envelope"
)

// keygen makes a key pair. Files that exist are never written over.
func (t *tool) keygen(args []string) error {
	flags := flag.NewFlagSet("keygen", flag.ContinueOnError)
	private := flags.String("key", "", "")
	public := flags.String("pubkey", "", "")
	bits := flags.Int("bits", 3072, "")
	name := flags.String("signing", "", "")
	if err := t.parse(flags, args); err != nil {
		return err
	}
	if *private == "" || *public == "" {
		return wrong("keygen: -key and -pubkey are missing (hint: -key private.pem -pubkey public.pem, two files that are not there yet)")
	}
	secret, shared, comment, err := newPair(*bits, *name)
	if err != nil {
		return err
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return fmt.Errorf("encoding a private key: %w", err)
	}
	sharedDER, err := x509.MarshalPKIXPublicKey(shared)
	if err != nil {
		return fmt.Errorf("encoding a public key: %w", err)
	}
	sharedText := append([]byte(comment), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: sharedDER})...)
	if comment != "" { // whoever is to trust the key must be able to read its name
		if _, err := envelope.ParseTrustedSenders(sharedText); err != nil {
			return usageError{err}
		}
	}
	if err := create(*private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER}), 0o600); err != nil {
		return err
	}
	return create(*public, sharedText, 0o644)
}

// newPair makes an RSA key, or for a sender's name an Ed25519 key.
func newPair(bits int, name string) (secret, shared any, comment string, err error) {
	if name != "" {
		shared, secret, err = ed25519.GenerateKey(rand.Reader)
		return secret, shared, "# " + name + "\n", err
	}
	if bits < 2048 || bits > 8192 {
		return nil, nil, "", wrong("keygen: got %d bits, want 2048 to 8192", bits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, nil, "", fmt.Errorf("making a key: %w", err)
	}
	return key, &key.PublicKey, "", nil
}

func create(name string, text []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the user names it
	if err != nil {
		return usageError{err}
	}
	if _, err := file.Write(text); err != nil {
		file.Close() //nolint:errcheck,gosec // the first error counts
		return fmt.Errorf("writing a key: %w", err)
	}
	return file.Close()
}

// thumbprint prints the id of each key in a PEM text, one a line.
func (t *tool) thumbprint(args []string) error {
	if err := t.parse(flag.NewFlagSet("thumbprint", flag.ContinueOnError), args); err != nil {
		return err
	}
	text, err := t.record()
	if err != nil {
		return err
	}
	var ids []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		id, err := thumbprintOf(pem.EncodeToMemory(block))
		if err != nil {
			return usageError{err}
		}
		ids = append(ids, id)
	}
	if len(ids) != bytes.Count(text, []byte("-----BEGIN ")) || len(ids) == 0 {
		return wrong("thumbprint: the text is not PEM, or a block is damaged (hint: name a file that keygen or openssl wrote)")
	}
	for _, id := range ids {
		if _, err := fmt.Fprintln(t.out, id); err != nil {
			return fmt.Errorf("writing an id: %w", err)
		}
	}
	return nil
}

func thumbprintOf(text []byte) (string, error) {
	if key, err := envelope.ParseSigningKey(text); err == nil {
		return envelope.SigningKeyID(ed25519.PublicKey(key[ed25519.SeedSize:])), nil
	}
	if senders, err := envelope.ParseTrustedSenders(append([]byte("x\n"), text...)); err == nil {
		return envelope.SigningKeyID(senders[0].Key), nil
	}
	if key, err := envelope.ParsePrivateKey(text); err == nil {
		return envelope.KeyID(&key.PublicKey), nil
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return "", err
	}
	return envelope.KeyID(keys[0]), nil
}
