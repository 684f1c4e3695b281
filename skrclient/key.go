package skrclient

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeyText = 16 << 10 // a key of 8192 bits takes 7 KiB; more would only cost time to check
	minKeyBits = 2048
	maxKeyBits = 8192

	minExponent = 65537
)

func badKey(kind Kind, cause Cause) (*rsa.PrivateKey, *Error) {
	return nil, &Error{Step: StepKey, Kind: kind, Cause: cause}
}

// parseKey reads a JWK or a PEM, the two shapes of a key that someone has stored.
func parseKey(text []byte) (*rsa.PrivateKey, *Error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseJWK(text)
	}
	return parsePEM(text)
}

// parseJWK reads a JWK (RFC 7517) and accepts only an RSA private key (RFC 7518 section 6.3).
func parseJWK(text []byte) (*rsa.PrivateKey, *Error) {
	var head struct {
		Type string `json:"kty"`
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Type == "" {
		return badKey(KindMalformed, CauseNotKey)
	}
	if head.Type != "RSA" {
		return badKey(KindUnsupported, CauseKeyType)
	}
	if len(text) > maxKeyText {
		return badKey(KindUnsupported, CauseKeySize)
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return badKey(KindMalformed, CauseBrokenKey)
	}
	return sound(jwk.Key)
}

// parsePEM reads exactly one PEM block (RFC 7468) with a PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017) RSA private key.
func parsePEM(text []byte) (*rsa.PrivateKey, *Error) {
	if len(text) > maxKeyText {
		return badKey(KindUnsupported, CauseKeySize)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return badKey(KindMalformed, CauseNotKey)
	}
	defer clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return badKey(KindUnsupported, CausePublic)
	default:
		return badKey(KindUnsupported, CauseKeyType)
	}
	if err != nil {
		return badKey(KindMalformed, CauseBrokenKey)
	}
	return sound(key)
}

// sound accepts only an RSA private key of 2048 to 8192 bits and two primes, with an exponent of 65537 or more (FIPS
// 186-5, A.1.1), whose numbers fit together.
func sound(key any) (*rsa.PrivateKey, *Error) {
	switch private := key.(type) {
	case *rsa.PrivateKey:
		if bits := private.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
			return badKey(KindUnsupported, CauseKeySize)
		}
		if err := private.Validate(); err != nil {
			return badKey(KindMalformed, CauseBrokenKey)
		}
		if private.E < minExponent || len(private.Primes) != 2 {
			return badKey(KindUnsupported, CauseOddKey)
		}
		private.Precompute()
		return private, nil
	case *rsa.PublicKey:
		return badKey(KindUnsupported, CausePublic)
	default:
		return badKey(KindUnsupported, CauseKeyType)
	}
}
