package skrclient

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient/policy"
)

// A response of the data hub would crash the program, or a user would trust a broken key.
func FuzzParseResource(f *testing.F) {
	addRecorded(f, "cdh")
	f.Add(200, fields(f, nil))
	f.Add(200, block("PRIVATE KEY", pkcs8(f, demoKey())))
	f.Add(200, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())))
	f.Fuzz(func(t *testing.T, status int, body string) {
		key, failure := parseResource(status, []byte(body))
		checkOutcome(t, key, failure, body)
	})
}

func addRecorded(f *testing.F, folder string) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.http"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		status, body := readRecorded(f, file)
		f.Add(status, string(body))
	}
}

// checkOutcome requires a sound key, or a helpful error that repeats nothing of the body.
func checkOutcome(t *testing.T, key *rsa.PrivateKey, failure *Error, body string) {
	t.Helper()
	if (key == nil) == (failure == nil) {
		t.Fatal("want either a key or an error")
	}
	if key != nil && (key.Validate() != nil || key.N.BitLen() < minKeyBits) {
		t.Fatal("got a key that is not sound")
	}
	if failure != nil {
		checkError(t, failure, body)
	}
}

func checkError(t *testing.T, failure *Error, body string) {
	t.Helper()
	if failure.Hint() == "" || failure.Step == "" || failure.Kind == "" || failure.Cause == "" {
		t.Fatalf("got an incomplete error: %v", failure)
	}
	fixed := Error{Step: failure.Step, Kind: failure.Kind, Cause: failure.Cause, Status: failure.Status}
	if *failure != fixed {
		t.Fatalf("got an error with a part of the body, %q", body)
	}
}

// A response of the sidecar would crash the program, or an error would show the token.
func FuzzParseToken(f *testing.F) {
	addRecorded(f, "skr")
	f.Add(200, `{"token":"a.b.c"}`)
	f.Add(403, `{"error":"a"}{"token":""}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		token, failure := parseToken(status, []byte(body))
		if (token == "") == (failure == nil) || len(token) > maxToken {
			t.Fatal("want either a token or an error")
		}
		if failure != nil {
			checkError(t, failure, body)
		}
	})
}

// A token would crash the program, or a user would believe one with another issuer or time.
func FuzzClaims(f *testing.F) {
	from := &Authority{url: "https://maa.example.net"}
	good := strings.Replace(soundClaims, `{`, `{"nbf":1700000000,"exp":1700000600,`, 1)
	f.Add(good)
	f.Add(soundClaims)
	f.Add(`{"iss":"a","iss":"b"}`)
	f.Add(`{"exp":1e400,"nbf":-1,"x-ms-runtime":[]}`)
	rules, err := policy.Parse([]byte(katacc))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		tree, failure := from.claims([]byte(payload), time.Unix(1700000300, 0), clockSkew)
		if failure != nil {
			checkError(t, failure, payload)
			return
		}
		if claim[string](tree, "iss") != from.url || tree.Time("exp").Before(time.Unix(1700000240, 0)) {
			t.Fatalf("got claims %+v, want them refused", tree)
		}
		checks := (&Attestation{Checked: true, claims: tree}).Compare(&rules)
		if len(checks) < len(displayedClaims()) {
			t.Fatalf("got %d checks, want one for each displayed claim", len(checks))
		}
	})
}

// A key set would crash the program, or a user would trust a key with another id.
func FuzzParseSigningKeys(f *testing.F) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &demoKey().PublicKey, demoKey())
	if err != nil {
		f.Fatal(err)
	}
	chain, err := json.Marshal([][]byte{der})
	if err != nil {
		f.Fatal(err)
	}
	public, err := jose.JSONWebKey{Key: &demoKey().PublicKey, KeyID: "k"}.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"keys":[{"kid":"k","kty":"RSA","x5c":` + string(chain) + `},` + string(public) + `]}`)
	f.Add(`{"keys":[{"kid":"k","kty":"oct","k":"AA"},{"kid":1}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		keys, err := parseSigningKeys([]byte(body), "k")
		if err != nil && keys != nil {
			t.Fatal("got keys and an error")
		}
		for _, key := range keys {
			if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
				t.Fatalf("got a key of %d bits", bits)
			}
		}
	})
}

// A user would lose a key that the sidecar escapes in another way, or the program would crash.
func FuzzJSONText(f *testing.F) {
	f.Add(`"\"\\\/\b\f\n\r\t\u0022"`)
	f.Add(`"\ud83d"`)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("encoding/json replaces invalid UTF-8, jsonText keeps it")
		}
		var got struct{ Key jsonText }
		var want struct{ Key *string }
		err := json.Unmarshal([]byte(`{"Key":`+text+`}`), &got)
		if json.Unmarshal([]byte(`{"Key":`+text+`}`), &want) != nil || want.Key == nil {
			if err == nil {
				t.Fatalf("%s: got %q, want an error", text, got.Key)
			}
			return
		}
		if err == nil && string(got.Key) != *want.Key {
			t.Fatalf("%s: got %q, want %q", text, got.Key, *want.Key)
		}
	})
}
