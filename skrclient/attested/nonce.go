package attested

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
)

// The length of a nonce, in base64url characters.
const (
	MinNonce = 32
	MaxNonce = 64
)

// nonceLabel separates these hashes from all others.
const nonceLabel = Purpose + " nonce"

// The channel binding tls-exporter, RFC 9266 section 2.
const (
	exporterLabel  = "EXPORTER-Channel-Binding"
	exporterLength = 32
)

// NewNonce returns a random nonce of 43 characters, which hold 256 bits.
func NewNonce() string {
	var nonce [sha256.Size]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(nonce[:])
}

// CheckNonce accepts MinNonce to MaxNonce base64url characters.
func CheckNonce(nonce string) error {
	if len(nonce) < MinNonce || len(nonce) > MaxNonce {
		return fmt.Errorf("checking nonce: got %d characters, want %d to %d", len(nonce), MinNonce, MaxNonce)
	}
	for _, c := range []byte(nonce) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return errors.New("checking nonce: want base64url characters only")
		}
	}
	return nil
}

// BindNonce returns the nonce as it stands in [RuntimeData]: hashed with the channel binding of the TLS connection over
// which it was asked (RFC 9266). Both ends of a connection compute the same, and a relayed token fits no other connection.
// The connection must have completed a TLS 1.3 handshake.
func BindNonce(nonce string, connection *tls.ConnectionState) (string, error) {
	if err := CheckNonce(nonce); err != nil {
		return "", err
	}
	if connection == nil || connection.Version < tls.VersionTLS13 {
		return "", errors.New("binding nonce: the connection is not TLS 1.3")
	}
	exporter, err := connection.ExportKeyingMaterial(exporterLabel, nil, exporterLength)
	if err != nil {
		return "", fmt.Errorf("binding nonce: %w", err)
	}
	hash := sha256.Sum256(append([]byte(nonceLabel+nonce), exporter...)) // unambiguous: the first and the last part have a fixed length
	return base64.RawURLEncoding.EncodeToString(hash[:]), nil
}
