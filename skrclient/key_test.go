package skrclient

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// pss makes a PKCS#8 key for RSA-PSS signatures only (RFC 4055), which OpenSSL writes and Go does not read.
func pss(t testing.TB, key any) []byte {
	t.Helper()
	rsaEncryption, pss := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10}
	return bytes.Replace(pkcs8(t, key), rsaEncryption, pss, 1)
}

// encrypted is PKCS#1 as OpenSSL encrypts it (RFC 1421 section 4.6.1.1).
func encrypted(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}}))
}

// A user would lose a key in another usual format, or trust a broken one.
func TestParseKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := block("PRIVATE KEY", pkcs8(t, demoKey()))
	for name, test := range map[string]struct {
		text  string
		cause Cause // empty: the key
	}{
		"JWK":                    {fields(t, nil), ""},
		"JWK, space around":      {"\n " + fields(t, nil) + "\n", ""},
		"PKCS#8":                 {good, ""},
		"PKCS#8 after a remark":  {"the demo's key\n" + good + "\n\n", ""},
		"PKCS#1":                 {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())), ""},
		"nothing":                {"", CauseNotKey},
		"page":                   {"<html>", CauseNotKey},
		"DER":                    {string(pkcs8(t, demoKey())), CauseNotKey},
		"two keys":               {good + good, CauseNotKey},
		"cut off":                {good[:len(good)-40], CauseNotKey},
		"broken inside":          {block("PRIVATE KEY", pkcs8(t, demoKey())[:300]), CauseBrokenKey},
		"PKCS#1 named PKCS#8":    {block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())), CauseKeyFormat},
		"PKCS#8 named PKCS#1":    {block("RSA PRIVATE KEY", pkcs8(t, demoKey())), CauseKeyFormat},
		"lines end in CRLF":      {strings.ReplaceAll(good, "\n", "\r\n"), ""},
		"and the last in CR":     {strings.TrimSuffix(strings.ReplaceAll(good, "\n", "\r\n"), "\n"), ""},
		"lines end in CR":        {strings.ReplaceAll(good, "\n", "\r"), ""},
		"byte order mark":        {"\ufeff" + good, ""},
		"blanks behind lines":    {strings.ReplaceAll(good, "\n", " \t\n"), ""},
		"JWK, byte order mark":   {"\ufeff" + fields(t, nil), ""},
		"RSA-PSS":                {block("PRIVATE KEY", pss(t, demoKey())), CauseKeyType},
		"OpenSSH":                {block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), CauseKeyFormat},
		"certificate request":    {block("CERTIFICATE REQUEST", nil), CauseKeyFormat},
		"certificate":            {block("CERTIFICATE", nil), CausePublicKey},
		"gzip":                   {"\x1f\x8b\x08\x00", CauseNotKey},
		"another JSON":           {`{"keys":[]}`, CauseNotKey},
		"JWK that a vault keeps": {`{"kty":"RSA-HSM","n":"AQAB","e":"AQAB"}`, CausePublicKey},
		"EC":                     {block("PRIVATE KEY", pkcs8(t, ec)), CauseKeyType},
		"SEC 1":                  {block("EC PRIVATE KEY", nil), CauseKeyType},
		"with a password":        {block("ENCRYPTED PRIVATE KEY", nil), CauseEncryptedKey},
		"with one, PKCS#1":       {encrypted(x509.MarshalPKCS1PrivateKey(demoKey())), CauseEncryptedKey},
		"public":                 {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&demoKey().PublicKey)), CausePublicKey},
		"1024 bits":              {block("PRIVATE KEY", pkcs8(t, generate(1024))), CauseKeySize},
		"endless":                {good + strings.Repeat("\n", maxKeyText), CauseKeyTooLong},
	} {
		key, failure := parseKey([]byte(test.text))
		switch {
		case test.cause == "" && (failure != nil || !key.Equal(demoKey())):
			t.Errorf("%s: got error %v, want the key", name, failure)
		case test.cause != "" && (key != nil || failure == nil || failure.Cause != test.cause || failure.Step != StepKey):
			t.Errorf("%s: got %v, want %s", name, failure, test.cause)
		}
	}
}

// A user would lose a key that the sidecar escapes in another way, or get a wrong one.
func TestJSONText(t *testing.T) {
	for text, want := range map[string]string{
		`""`: "", `"abc"`: "abc", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u0022\u007b"`: `"{`, `"ü"`: "ü",
	} {
		var got jsonText
		if err := got.UnmarshalJSON([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%s: got %q and error %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`null`, `1`, `{}`, `"`, `"\u00fc"`, `"\ud83d\ude00"`, `"\u00"`, `"\x"`} {
		var got jsonText
		if err := got.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s: got %q, want an error", text, got)
		}
	}
}

// A user would lose the key to a core dump long after its text was used.
func TestBodiesAreOverwritten(t *testing.T) {
	var first, second jsonText
	first = append(first, "secret"...)
	second = first
	if err := first.UnmarshalJSON([]byte(`"other"`)); err != nil || !bytes.Equal(second, make([]byte, 6)) {
		t.Errorf("got %q and error %v, want the first text overwritten by the second", second, err)
	}
	for name, key := range map[string]string{"release": answerWith(t, fields(t, nil)), "refusal": `{"error":"secret"}`} {
		var seen []byte
		to, err := newLoopbackClient("http://localhost", DefaultTimeout, connectionCauses{refused: CauseNoAnswer}, roundTrip(func() string { return key }))
		if err != nil {
			t.Fatal(err)
		}
		sent := []byte("token")
		_, err = send(t.Context(), to, call{method: "POST", path: "key/release", body: sent}, func(_ int, body []byte) (int, *Error) {
			if seen = body; string(body) != key {
				t.Errorf("%s: got another body", name)
			}
			return 0, nil
		})
		if err != nil || !bytes.Equal(seen, make([]byte, len(key))) || !bytes.Equal(sent, make([]byte, 5)) {
			t.Errorf("%s: got error %v, want both bodies overwritten", name, err)
		}
	}
}

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

// A user would see a key as released that opens no record, because producers refuse its public key.
func TestKeyParametersAreChecked(t *testing.T) {
	three, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048) //nolint:staticcheck // other software may have made one
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key   *rsa.PrivateKey
		cause Cause
	}{
		"exponent 3":     {withExponent(t, 3), CauseKeyParameters},
		"exponent 257":   {withExponent(t, 257), CauseKeyParameters},
		"exponent 65537": {withExponent(t, 65537), ""},
		"three primes":   {three, CauseKeyParameters},
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
