package cluster

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kafka-e2ee/lab/ca"
)

// secrets are made for one run: the key in the emulated vault, and the emulated services' certificate authority.
type secrets struct {
	publicKey           string  // PEM, for the producer
	vault, certificates *string // PEM
}

func makeSecrets() (secrets, error) {
	key, err := rsa.GenerateKey(rand.Reader, 3072) // the article's size
	if err != nil {
		return secrets{}, fmt.Errorf("making the key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secrets{}, fmt.Errorf("encoding the key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return secrets{}, fmt.Errorf("encoding the public key: %w", err)
	}
	authority, err := ca.New()
	if err != nil {
		return secrets{}, err
	}
	certificates, err := authority.Marshal()
	if err != nil {
		return secrets{}, err
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	vault, authorityPEM := encode("PRIVATE KEY", private), string(certificates)
	return secrets{publicKey: encode("PUBLIC KEY", public), vault: &vault, certificates: &authorityPEM}, nil
}

// object is the Secret that the sidecar mounts.
func (s secrets) object(namespace string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": "lab-vault", "namespace": namespace},
		"stringData": map[string]any{"key.pem": *s.vault, "ca.pem": *s.certificates},
	}}
}
