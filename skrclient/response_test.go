package skrclient

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

var (
	demoKey  = sync.OnceValue(func() *rsa.PrivateKey { return generate(2048) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return generate(2048) })
)

func generate(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// fields returns the members of the demo key's JWK, some of them replaced or, with "", removed.
func fields(t testing.TB, replace map[string]string) string {
	t.Helper()
	text, err := jose.JSONWebKey{Key: demoKey()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range replace {
		if members[name] = value; value == "" {
			delete(members, name)
		}
	}
	return marshal(t, members)
}

func marshal(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func answerWith(t testing.TB, jwk string) string {
	t.Helper()
	return marshal(t, map[string]string{"key": jwk})
}

// A user would not find the cause of a failure, or would get a wrong key.
func TestParseRelease(t *testing.T) {
	good := fields(t, nil)
	otherN := marshal(t, otherKey().N.String())
	small, err := jose.JSONWebKey{Key: generate(1024)}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.JSONWebKey{Key: demoKey().Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		status int
		body   string
		kind   Kind // empty: the key
		step   Step
		cause  Cause
	}{
		"released":                     {200, answerWith(t, good), "", "", ""},
		"released, space around":       {200, " " + answerWith(t, good) + "\n", "", "", ""},
		"wrong dp":                     {200, answerWith(t, fields(t, map[string]string{"dp": "AQAB"})), KindMalformed, StepKey, CauseBrokenKey},
		"released, operations":         {200, answerWith(t, strings.Replace(good, "{", `{"key_ops":["encrypt","decrypt"],`, 1)), "", "", ""},
		"key as an object":             {200, `{"key":` + good + `}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"key missing":                  {200, `{}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"key null":                     {200, `{"key":null}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"nothing":                      {200, ``, KindMalformed, StepSidecar, CauseBadAnswer},
		"page":                         {200, `<html>`, KindMalformed, StepSidecar, CauseBadAnswer},
		"cut off":                      {200, answerWith(t, good)[:500], KindMalformed, StepSidecar, CauseBadAnswer},
		"two documents":                {200, answerWith(t, good) + `{"error":"late"}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"rubbish behind":               {200, answerWith(t, good) + `x`, KindMalformed, StepSidecar, CauseBadAnswer},
		"too long":                     {200, strings.Repeat(" ", maxResponse+1), KindMalformed, StepSidecar, CauseAnswerTooLong},
		"key empty":                    {200, `{"key":""}`, KindMalformed, StepKey, CauseNotKey},
		"key not JSON":                 {200, `{"key":"not json"}`, KindMalformed, StepKey, CauseNotKey},
		"key an array":                 {200, `{"key":"[]"}`, KindMalformed, StepKey, CauseNotKey},
		"key without kty":              {200, answerWith(t, fields(t, map[string]string{"kty": ""})), KindMalformed, StepKey, CauseNotKey},
		"two JWKs":                     {200, answerWith(t, good+good), KindMalformed, StepKey, CauseNotKey},
		"oct":                          {200, `{"key":"{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"}`, KindUnsupported, StepKey, CauseKeyType},
		"EC":                           {200, `{"key":"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\",\"d\":\"AA\"}"}`, KindUnsupported, StepKey, CauseKeyType},
		"public":                       {200, answerWith(t, string(public)), KindUnsupported, StepKey, CausePublicKey},
		"1024 bits":                    {200, answerWith(t, string(small)), KindUnsupported, StepKey, CauseKeySize},
		"endless number":               {200, answerWith(t, fields(t, map[string]string{"p": strings.Repeat("A", maxKeyText)})), KindUnsupported, StepKey, CauseKeyTooLong},
		"n of another key":             {200, answerWith(t, fields(t, map[string]string{"n": encode(otherKey().N)})), KindMalformed, StepKey, CauseBrokenKey},
		"n not base64url":              {200, answerWith(t, fields(t, map[string]string{"n": otherN})), KindMalformed, StepKey, CauseBrokenKey},
		"d of another key":             {200, answerWith(t, fields(t, map[string]string{"d": encode(otherKey().D)})), KindMalformed, StepKey, CauseBrokenKey},
		"d zero":                       {200, answerWith(t, fields(t, map[string]string{"d": "AA"})), KindMalformed, StepKey, CauseBrokenKey},
		"e other":                      {200, answerWith(t, fields(t, map[string]string{"e": "Aw"})), KindMalformed, StepKey, CauseBrokenKey},
		"e even":                       {200, answerWith(t, fields(t, map[string]string{"e": "Ag"})), KindMalformed, StepKey, CauseBrokenKey},
		"p missing":                    {200, answerWith(t, fields(t, map[string]string{"p": ""})), KindMalformed, StepKey, CauseBrokenKey},
		"q of another key":             {200, answerWith(t, fields(t, map[string]string{"q": encode(otherKey().Primes[1])})), KindMalformed, StepKey, CauseBrokenKey},
		"bad request":                  {400, `{"error":{}}`, KindRefused, StepSidecar, CauseBadRequest},
		"not ready":                    {500, `{"error":{}}`, KindRefused, StepSidecar, CauseNotReady},
		"bad request, a page":          {400, `<html>400 Bad Request</html>`, KindMalformed, StepSidecar, CauseBadAnswer},
		"failure of another server":    {500, `Internal Server Error`, KindMalformed, StepSidecar, CauseBadAnswer},
		"failure without words":        {500, ``, KindMalformed, StepSidecar, CauseBadAnswer},
		"page of a portal":             {200, `<!doctype html><title>Sign in</title>`, KindMalformed, StepSidecar, CauseBadAnswer},
		"gzip":                         {200, "\x1f\x8b\x08\x00", KindMalformed, StepSidecar, CauseBadAnswer},
		"refused, error an object":     {403, `{"error":{}}`, KindRefused, StepSidecar, CauseUnknownReason},
		"refused, error missing":       {403, `{}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"refused, two documents":       {403, `{"error":"a"}{"report":""}`, KindMalformed, StepSidecar, CauseBadAnswer},
		"refused by the mesh, as HTML": {403, `<html>RBAC: access denied</html>`, KindMalformed, StepSidecar, CauseBadAnswer},
		"not found":                    {404, `404 page not found`, KindMalformed, StepSidecar, CauseUnexpectedStatus},
		"redirect":                     {307, ``, KindMalformed, StepSidecar, CauseUnexpectedStatus},
		"no content":                   {204, ``, KindMalformed, StepSidecar, CauseUnexpectedStatus},
		"key with status 201":          {201, answerWith(t, good), KindMalformed, StepSidecar, CauseUnexpectedStatus},
	} {
		t.Run(name, func(t *testing.T) {
			key, failure := parseRelease(test.status, []byte(test.body))
			if test.kind == "" {
				if failure != nil || !key.Equal(demoKey()) {
					t.Fatalf("got error %v, want the key", failure)
				}
				return
			}
			if key != nil || failure == nil {
				t.Fatal("got a key, want an error")
			}
			if failure.Kind != test.kind || failure.Step != test.step || failure.Cause != test.cause {
				t.Errorf("got %s at %s: %s, want %s at %s: %s", failure.Kind, failure.Step, failure.Cause, test.kind, test.step, test.cause)
			}
		})
	}
}

func encode(number *big.Int) string {
	jwk, err := jose.JSONWebKey{Key: number.Bytes()}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	var members struct{ K string }
	if err := json.Unmarshal(jwk, &members); err != nil {
		panic(err)
	}
	return members.K
}

// A response would crash the program, or a user would trust a broken key.
func FuzzParseRelease(f *testing.F) {
	f.Add(200, answerWith(f, fields(f, nil)))
	f.Add(200, `{"key":"{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"}`)
	f.Add(403, `{"error":"releasing the key demo failed: pulling AKV response body failed: : http response status equal to 403 Forbidden"}`)
	f.Add(403, `{"error":{}}{"report":""}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		key, failure := parseRelease(status, []byte(body))
		if (key == nil) == (failure == nil) {
			t.Fatal("want either a key or an error")
		}
		if failure != nil && (failure.Hint() == "" || failure.Step == "" || failure.Kind == "" || failure.Cause == "") {
			t.Fatalf("got an incomplete error: %v", failure)
		}
		if key != nil && (key.Validate() != nil || key.N.BitLen() < minKeyBits) {
			t.Fatal("got a key that is not sound")
		}
	})
}

// A user would wait minutes for the page if a thousand keys with one id had to be tried.
func TestSigningKeysOfOneIDAreBounded(t *testing.T) {
	key, err := jose.JSONWebKey{Key: demoKey().Public(), KeyID: "k"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := parseSigningKeys([]byte(`{"keys":[`+strings.Repeat(string(key)+",", 1000)+string(key)+`]}`), "k")
	if err != nil || len(keys) != maxKeys {
		t.Errorf("got %d keys and error %v, want %d", len(keys), err, maxKeys)
	}
}
