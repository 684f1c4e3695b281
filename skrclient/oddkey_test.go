package skrclient

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
)

// withExponent makes a key of 2048 bits whose public exponent is e.
func withExponent(t *testing.T, e int64) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(e), phi)
		if d == nil || n.BitLen() != 2048 || p.Cmp(q) == 0 {
			continue
		}
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e)}, D: d, Primes: []*big.Int{p, q}}
	}
}

// Without this a key would be held, and shown as released, that opens no record: those who seal refuse to use it.
func TestOddKeyIsRefused(t *testing.T) {
	three, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048) //nolint:staticcheck // others may have made one
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key   *rsa.PrivateKey
		cause Cause
	}{
		"exponent 3":     {withExponent(t, 3), CauseOddKey},
		"exponent 257":   {withExponent(t, 257), CauseOddKey},
		"exponent 65537": {withExponent(t, 65537), ""},
		"three primes":   {three, CauseOddKey},
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(test.key)})
		key, failed := parsePEM(text)
		switch {
		case test.cause == "" && (failed != nil || key.E != 65537):
			t.Errorf("%s: %v", name, failed)
		case test.cause != "" && (failed == nil || failed.Cause != test.cause):
			t.Errorf("%s: got %v, want %q", name, failed, test.cause)
		}
	}
}
