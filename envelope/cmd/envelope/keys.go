package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/internal/pemtext"
)

// keygen generates a key pair. It never overwrites a file.
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
		return wrong("keygen: -key and -pubkey are missing (hint: -key private.pem -pubkey public.pem, two new files)")
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
	if comment != "" { // those who trust the key must be able to parse its name
		if _, err := envelope.ParseTrustedSenders(sharedText); err != nil {
			return usageError{err}
		}
	}
	if err := create(*private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER}), 0o600); err != nil {
		return err
	}
	return create(*public, sharedText, 0o644)
}

// newPair generates an RSA key, or for the name of a sender an Ed25519 key.
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
		return nil, nil, "", fmt.Errorf("generating a key: %w", err)
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

// thumbprint prints the ids of all keys in a PEM text, one per line.
func (t *tool) thumbprint(args []string) error {
	if err := t.parse(flag.NewFlagSet("thumbprint", flag.ContinueOnError), args); err != nil {
		return err
	}
	text, err := t.record()
	if err != nil {
		return err
	}
	blocks, err := pemtext.Blocks(text)
	if err != nil {
		return wrong("thumbprint: %w", err)
	}
	var out strings.Builder
	for _, block := range blocks {
		id, err := thumbprintOf(block)
		if err != nil {
			return usageError{err}
		}
		out.WriteString(id + "\n")
	}
	return t.write([]byte(out.String()))
}

func thumbprintOf(block *pem.Block) (string, error) {
	text := pem.EncodeToMemory(block)
	if senders, err := envelope.ParseTrustedSenders(append([]byte("x\n"), text...)); err == nil {
		return envelope.SigningKeyID(senders[0].Key), nil
	}
	if key, err := envelope.ParseSigningKey(text); err == nil {
		return envelope.SigningKeyID(ed25519.PublicKey(key[ed25519.SeedSize:])), nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		key, err := envelope.ParsePrivateKey(text)
		if err != nil {
			return "", err
		}
		return envelope.KeyID(&key.PublicKey), nil
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return "", err
	}
	return envelope.KeyID(keys[0]), nil
}
