package skrclient

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeyText = 16 << 10 // a key of 8192 bits takes 7 KiB
	minKeyBits = 2048
	maxKeyBits = 8192

	minExponent = 65537
)

func keyError(kind Kind, cause Cause) (*rsa.PrivateKey, *Error) {
	return nil, &Error{Step: StepKey, Kind: kind, Cause: cause}
}

// parseKey reads a stored key: a JWK or PEM.
func parseKey(text []byte) (*rsa.PrivateKey, *Error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseJWK(text)
	}
	return parsePEM(text)
}

// parseJWK reads an RSA private key from a JWK (RFC 7517, RFC 7518 section 6.3).
func parseJWK(text []byte) (*rsa.PrivateKey, *Error) {
	var head struct {
		Type string `json:"kty"`
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Type == "" {
		return keyError(KindMalformed, CauseNotKey)
	}
	switch {
	case head.Type == "RSA-HSM": // how a vault describes a key that never leaves it
		return keyError(KindUnsupported, CausePublicKey)
	case head.Type != "RSA":
		return keyError(KindUnsupported, CauseKeyType)
	case len(text) > maxKeyText:
		return keyError(KindUnsupported, CauseKeyTooLong)
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return keyError(KindMalformed, CauseBrokenKey)
	}
	return validKey(jwk.Key)
}

// parsePEM reads one PEM block (RFC 7468) with an RSA private key in PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017).
func parsePEM(text []byte) (*rsa.PrivateKey, *Error) {
	if len(text) > maxKeyText {
		return keyError(KindUnsupported, CauseKeyTooLong)
	}
	normalized := normalizePEM(text)
	defer clear(normalized)
	block, rest := pem.Decode(normalized)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return keyError(KindMalformed, CauseNotKey)
	}
	defer clear(block.Bytes)
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") { // RFC 7468 section 11, RFC 1421 section 4.6.1.1
		return keyError(KindUnsupported, CauseEncryptedKey)
	}
	switch block.Type {
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "RSA PRIVATE KEY":
		return parsePKCS1(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return keyError(KindUnsupported, CausePublicKey)
	case "EC PRIVATE KEY", "DSA PRIVATE KEY":
		return keyError(KindUnsupported, CauseKeyType)
	default:
		return keyError(KindUnsupported, CauseKeyFormat)
	}
}

func parsePKCS8(der []byte) (*rsa.PrivateKey, *Error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return validKey(key)
	}
	var outer struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	defer func() { clear(outer.Key) }()
	if _, err := asn1.Unmarshal(der, &outer); err == nil {
		if rsaEncryption := (asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}); !outer.Algorithm.Algorithm.Equal(rsaEncryption) {
			return keyError(KindUnsupported, CauseKeyType)
		}
		return keyError(KindMalformed, CauseBrokenKey)
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return keyError(KindMalformed, CauseKeyFormat)
	}
	return keyError(KindMalformed, CauseBrokenKey)
}

func parsePKCS1(der []byte) (*rsa.PrivateKey, *Error) {
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err == nil {
		return validKey(key)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return keyError(KindMalformed, CauseKeyFormat)
	}
	return keyError(KindMalformed, CauseBrokenKey)
}

// validKey accepts an RSA private key of 2048 to 8192 bits with two primes and an exponent of 65537 or more (FIPS 186-5,
// A.1.1), whose numbers are consistent.
func validKey(key any) (*rsa.PrivateKey, *Error) {
	switch private := key.(type) {
	case *rsa.PrivateKey:
		if bits := private.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
			return keyError(KindUnsupported, CauseKeySize)
		}
		if err := private.Validate(); err != nil {
			return keyError(KindMalformed, CauseBrokenKey)
		}
		if private.E < minExponent || len(private.Primes) != 2 {
			return keyError(KindUnsupported, CauseKeyParameters)
		}
		private.Precompute()
		return private, nil
	case *rsa.PublicKey:
		return keyError(KindUnsupported, CausePublicKey)
	default:
		return keyError(KindUnsupported, CauseKeyType)
	}
}

// normalizePEM returns a copy with Unix line ends and without the byte order mark that editors on Windows write:
// encoding/pem requires a line feed after a block's last line, and nothing before its first.
func normalizePEM(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	normalized := make([]byte, 0, len(text))
	for i, c := range text {
		switch {
		case c != '\r':
			normalized = append(normalized, c)
		case i+1 == len(text) || text[i+1] != '\n':
			normalized = append(normalized, '\n')
		}
	}
	return normalized
}

// keyID returns the RFC 7638 thumbprint of the public half of a key.
func keyID(key *rsa.PrivateKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: &key.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", &Error{Step: StepKey, Kind: KindUnsupported, Cause: CauseKeyType}
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
