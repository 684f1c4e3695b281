package envelope_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

func newPrimes(n int) []*big.Int { return make([]*big.Int, n) }

func smallKey() *rsa.PrivateKey { return newKey(1024) }

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkix(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PUBLIC KEY", der)
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func pkcs1(key *rsa.PublicKey) string {
	return pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))
}

func newCurveKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Without this, a wrong public key would show only when nobody can read the records.
func TestParsePublicKeys(t *testing.T) {
	good, n := pkix(t, &key3072().PublicKey), key2048().N
	wide := func(bits uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1), E: 65537}
	}
	for _, c := range []struct {
		name, text string
		keys       int
		says       string
	}{
		{"PKIX", good, 1, ""},
		{"PKCS#1", pkcs1(&key2048().PublicKey), 1, ""},
		{"two", good + "a comment\n" + pkcs1(&key2048().PublicKey), 2, ""},
		{"Windows line ends", strings.ReplaceAll(good, "\n", "\r\n"), 1, ""},
		{"8192 bits", pkcs1(wide(8192)), 1, ""},
		{"empty", "", 0, "empty"},
		{"blank", " \n", 0, "empty"},
		{"text", "hunter2", 0, "not PEM"},
		{"the article's placeholder", "-----BEGIN PUBLIC KEY-----\nMIIBojAN***AE=\n-----END PUBLIC KEY-----", 0, "damaged"},
		{"escaped line breaks", strings.ReplaceAll(good, "\n", `\n`), 0, "written as"},
		{"first damaged", strings.Replace(good, "MI", "M*", 1) + good, 0, "damaged"},
		{"second damaged", good + strings.Replace(good, "MI", "M*", 1), 0, "damaged"},
		{"cut off", good[:len(good)-20], 0, "damaged"},
		{"private PKCS#8", pkcs8(t, key2048()), 0, "private key"},
		{"private PKCS#1", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key2048())), 0, "private key"},
		{"certificate", pemOf("CERTIFICATE", []byte("x")), 0, "this is a certificate"},
		{"another block", pemOf("X", []byte("x")), 0, "must be PUBLIC KEY"},
		{"PKIX of garbage", pemOf("PUBLIC KEY", []byte("garbage")), 0, "no readable key"},
		{"PKCS#1 of garbage", pemOf("RSA PUBLIC KEY", []byte("garbage")), 0, "no readable key"},
		{"elliptic curve", pkix(t, newCurveKey(t).Public()), 0, "not an RSA key"},
		{"2047 bits", pkcs1(wide(2047)), 0, "2047 bits"},
		{"8193 bits", pkcs1(wide(8193)), 0, "8193 bits"},
		{"even modulus", pkcs1(&rsa.PublicKey{N: new(big.Int).Add(n, big.NewInt(1)), E: 65537}), 0, "modulus"},
		{"exponent 3", pkcs1(&rsa.PublicKey{N: n, E: 3}), 0, "exponent 3"},
		{"exponent 65535", pkcs1(&rsa.PublicKey{N: n, E: 65535}), 0, "exponent 65535"},
		{"even exponent", pkcs1(&rsa.PublicKey{N: n, E: 65538}), 0, "exponent 65538"},
		{"second is bad", good + pemOf("PUBLIC KEY", []byte("x")), 0, "key 2 of 2"},
	} {
		keys, err := envelope.ParsePublicKeys([]byte(c.text))
		if len(keys) != c.keys || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %d keys, %v, want %d and %q", c.name, len(keys), err, c.keys, c.says)
		}
		if err != nil && (strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error repeats the input", c.name)
		}
	}
}

// Without this, a private key in a usual format could not be read, or a broken one would
// show only at the first record.
func TestParsePrivateKey(t *testing.T) {
	good := pkcs8(t, key2048())
	first := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key2048()))
	locked := strings.Replace(first, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)
	for _, c := range []struct{ name, text, says string }{
		{"PKCS#8", good, ""},
		{"PKCS#1", first, ""},
		{"empty", "", "empty"},
		{"text", "hunter2", "not PEM"},
		{"damaged", good[:len(good)-20], "damaged"},
		{"two", good + first, "got 2 PEM blocks"},
		{"PKCS#8 of garbage", pemOf("PRIVATE KEY", []byte("x")), "no readable key"},
		{"PKCS#1 of garbage", pemOf("RSA PRIVATE KEY", []byte("x")), "no readable key"},
		{"elliptic curve", pkcs8(t, newCurveKey(t)), "not an RSA key"},
		{"1024 bits", pkcs8(t, smallKey()), "1024 bits"},
		{"public", pkix(t, &key2048().PublicKey), "public key"},
		{"certificate", pemOf("CERTIFICATE", []byte("x")), "this is a certificate"},
		{"another block", pemOf("X", []byte("x")), "must be PRIVATE KEY"},
		{"locked PKCS#8", pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "encrypted"},
		{"locked PKCS#1", locked, "encrypted"},
	} {
		key, err := envelope.ParsePrivateKey([]byte(c.text))
		if (err == nil) != (c.says == "") || err == nil && !key.Equal(key2048()) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (key != nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.says)
		}
	}
}

// Without this, the id on the page would differ from the id in other tools. The key and
// its thumbprint come from RFC 7638, section 3.1.
func TestKeyIDOfTheRFC(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	raw, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		t.Fatal(err)
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 65537}
	if got := envelope.KeyID(pub); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %s", got)
	}
}

func FuzzParsePublicKeys(f *testing.F) {
	f.Add([]byte(pkix(f, &key2048().PublicKey)))
	f.Add([]byte(pkcs1(&key2048().PublicKey) + pkix(f, &key2048().PublicKey)))
	f.Add([]byte(pkix(f, newCurveKey(f).Public())))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := envelope.ParsePublicKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Error("got keys and an error, or neither")
		}
		for _, key := range keys {
			if again, err := envelope.ParsePublicKeys([]byte(pkix(t, key))); err != nil || !again[0].Equal(key) {
				t.Errorf("a parsed key does not parse again: %v", err)
			}
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	f.Add([]byte(pkcs8(f, key2048())))
	f.Add([]byte(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key2048()))))
	f.Add([]byte(pkcs8(f, newCurveKey(f))))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := envelope.ParsePrivateKey(text)
		if (err == nil) != (key != nil) {
			t.Error("got a key and an error, or neither")
		}
		if err == nil && envelope.NewOpener(envelope.OpenerConfig{}).SetKeys(key) != nil {
			t.Error("a parsed key cannot be used")
		}
	})
}
