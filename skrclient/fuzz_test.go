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
)

// A user would lose the running program to a crash, or a user of a data hub trust a broken key, whatever it answers.
func FuzzParseResource(f *testing.F) {
	addShapes(f, "cdh")
	f.Add(200, fields(f, nil))
	f.Add(200, block("PRIVATE KEY", pkcs8(f, demoKey())))
	f.Add(200, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(demoKey())))
	f.Fuzz(func(t *testing.T, status int, body string) {
		key, failure := parseResource(status, []byte(body))
		checkOutcome(t, key, failure, body)
	})
}

func addShapes(f *testing.F, folder string) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.http"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		status, body := readShape(f, file)
		f.Add(status, string(body))
	}
}

// checkOutcome wants either a sound key, or an error that helps and repeats nothing of the body.
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
		t.Fatalf("got an error that says too little: %v", failure)
	}
	fixed := Error{Step: failure.Step, Kind: failure.Kind, Cause: failure.Cause, Status: failure.Status}
	if *failure != fixed {
		t.Fatalf("got an error with more than fixed words, for %q", body)
	}
}

// A user would lose the running program to a crash, or the token to an error, whatever the sidecar answers.
func FuzzParseToken(f *testing.F) {
	addShapes(f, "skr")
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

// A user would lose the running program to a crash, or believe a token for another nonce, issuer or time.
func FuzzClaims(f *testing.F) {
	from := &authority{url: "https://maa.example.net"}
	good := strings.Replace(soundClaims, `{`, `{"nbf":1700000000,"exp":1700000600,`, 1)
	f.Add(good)
	f.Add(soundClaims)
	f.Add(`{"iss":"a","iss":"b"}`)
	f.Add(`{"exp":1e400,"nbf":-1,"x-ms-runtime":[]}`)
	policy, err := ParsePolicy([]byte(katacc))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		tree, failure := from.claims([]byte(payload), "n", time.Unix(1700000300, 0))
		if failure != nil {
			checkError(t, failure, payload)
			return
		}
		if claims := tree.claims(); claims.Authority != from.url || claims.Expires.Before(time.Unix(1700000240, 0)) {
			t.Fatalf("got claims %+v, want them refused", claims)
		}
		checks := (&Attestation{Checked: true, tree: tree}).Compare(policy)
		if len(checks) < len(shown()) {
			t.Fatalf("got %d checks, want one for each claim that is shown", len(checks))
		}
	})
}

// A user would lose the running program to a crash, or trust a key that the service did not name, whatever it answers.
func FuzzParseKeys(f *testing.F) {
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
		keys, err := parseKeys([]byte(body), "k")
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

// A user would lose the running program to a crash, or take a condition that is not understood for one that holds.
func FuzzParsePolicy(f *testing.F) {
	f.Add(katacc)
	f.Add(`{"version":"1.0.0","anyOf":[{"authority":"https://maa/","anyOf":[{"allOf":[{"claim":"a.b","equals":true}]},{"claim":"c","equals":1}]}]}`)
	f.Add(`{"version":"1.0.0","anyOf":[{"authority":"https://maa","allOf":[{"claim":"a","contains":"b"}]}]}`)
	tree, err := parseTree([]byte(soundClaims))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := ParsePolicy([]byte(text))
		if err != nil {
			return
		}
		if got := strings.Count(text, `"claim"`) + strings.Count(text, `\u`); got == 0 {
			t.Fatal("got a policy that asks for nothing")
		}
		checks := policy.compare(tree)
		if len(checks) == 0 {
			t.Fatal("got a policy that compares nothing")
		}
		for _, check := range checks {
			if check.Claim == "" || check.Result == "" {
				t.Fatalf("got %+v", check)
			}
		}
	})
}

// A user would lose the key that a sidecar escapes otherwise, or the program to a crash.
func FuzzJSONText(f *testing.F) {
	f.Add(`"\"\\\/\b\f\n\r\t\u0022"`)
	f.Add(`"\ud83d"`)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("encoding/json replaces such bytes, and here they stay")
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
