package skrclient

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
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

// A user would lose a key that someone stored in the other usual shape, or trust one that is broken.
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
		"JWK":                   {fields(t, nil), ""},
		"JWK, space around":     {"\n " + fields(t, nil) + "\n", ""},
		"PKCS#8":                {good, ""},
		"PKCS#8 after a remark": {"the demo's key\n" + good + "\n\n", ""},
		"PKCS#1":                {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())), ""},
		"nothing":               {"", CauseNotKey},
		"page":                  {"<html>", CauseNotKey},
		"DER":                   {string(pkcs8(t, demoKey())), CauseNotKey},
		"two keys":              {good + good, CauseNotKey},
		"cut off":               {good[:len(good)-40], CauseNotKey},
		"broken inside":         {block("PRIVATE KEY", pkcs8(t, demoKey())[:300]), CauseBrokenKey},
		"PKCS#1 named PKCS#8":   {block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())), CauseBrokenKey},
		"EC":                    {block("PRIVATE KEY", pkcs8(t, ec)), CauseKeyType},
		"SEC 1":                 {block("EC PRIVATE KEY", nil), CauseKeyType},
		"with a password":       {block("ENCRYPTED PRIVATE KEY", nil), CauseKeyType},
		"public":                {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&demoKey().PublicKey)), CausePublic},
		"1024 bits":             {block("PRIVATE KEY", pkcs8(t, generate(1024))), CauseKeySize},
		"endless":               {good + strings.Repeat("\n", maxKeyText), CauseKeySize},
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

// A user would lose a key whose text a sidecar escapes otherwise than the usual one, or read a wrong one.
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

// A user would lose the key to a core dump long after its text was of any use.
func TestAnswersAreOverwritten(t *testing.T) {
	var first, second jsonText
	first = append(first, "secret"...)
	second = first
	if err := first.UnmarshalJSON([]byte(`"other"`)); err != nil || !bytes.Equal(second, make([]byte, 6)) {
		t.Errorf("got %q and error %v, want the first text overwritten by the second", second, err)
	}
	for name, key := range map[string]string{"release": answerWith(t, fields(t, nil)), "refusal": `{"error":"secret"}`} {
		var seen []byte
		to, err := newLocal("http://localhost", DefaultTimeout, CauseNoAnswer, roundTrip(func() string { return key }))
		if err != nil {
			t.Fatal(err)
		}
		sent := []byte("token")
		_, err = exchange(t.Context(), to, call{"POST", "key/release", sent}, func(_ int, answer []byte) (int, *Error) {
			if seen = answer; string(answer) != key {
				t.Errorf("%s: got another answer", name)
			}
			return 0, nil
		})
		if err != nil || !bytes.Equal(seen, make([]byte, len(key))) || !bytes.Equal(sent, make([]byte, 5)) {
			t.Errorf("%s: got error %v, want request and answer overwritten", name, err)
		}
	}
}
