package attested

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/skrclient/policy"
)

func sample() RuntimeData {
	return RuntimeData{KeyHash: sha256.Sum256([]byte("key")), KeyIDs: []string{hash("id")}, Nonces: []string{hash("a"), hash("b")}}
}

func hash(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func members(t testing.TB, d RuntimeData) map[string]any {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := policy.ParseClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// A viewer could not verify a pod that follows the protocol.
func TestRuntimeDataReturns(t *testing.T) {
	for name, d := range map[string]RuntimeData{"full": sample(), "no keys and no nonces": {KeyHash: sample().KeyHash, KeyIDs: []string{}, Nonces: []string{}}} {
		got := members(t, d)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"key_ids", "nonces", "purpose", "spki_sha256"}) {
			t.Errorf("%s: got members %v", name, names)
		}
		back, err := ParseRuntimeData(got)
		if err != nil || !reflect.DeepEqual(back, d) {
			t.Errorf("%s: got %+v and %v", name, back, err)
		}
	}
	text, err := json.Marshal(RuntimeData{})
	if want := `{"key_ids":[],"nonces":[],"purpose":"kafka-e2ee/page/1","spki_sha256":"` + strings.Repeat("0", 64) + `"}`; err != nil || string(text) != want {
		t.Errorf("got %s and %v, want %s", text, err, want)
	}
}

// A viewer would trust a token that was made for another purpose, or a vault would encrypt a key for a planted one.
func TestParseRuntimeDataRefuses(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"nothing":            func(m map[string]any) { clear(m) },
		"keys":               func(m map[string]any) { m["keys"] = []any{} },
		"other member":       func(m map[string]any) { m["extra"] = "" },
		"no purpose":         func(m map[string]any) { delete(m, "purpose") },
		"other purpose":      func(m map[string]any) { m["purpose"] = "kafka-e2ee/page/2" },
		"purpose a number":   func(m map[string]any) { m["purpose"] = 1 },
		"no key hash":        func(m map[string]any) { delete(m, "spki_sha256") },
		"short key hash":     func(m map[string]any) { m["spki_sha256"] = "00" },
		"upper-case":         func(m map[string]any) { m["spki_sha256"] = strings.Repeat("A", 64) },
		"key hash a list":    func(m map[string]any) { m["spki_sha256"] = []any{} },
		"no key ids":         func(m map[string]any) { delete(m, "key_ids") },
		"key ids null":       func(m map[string]any) { m["key_ids"] = nil },
		"key ids a text":     func(m map[string]any) { m["key_ids"] = hash("id") },
		"key id a number":    func(m map[string]any) { m["key_ids"] = []any{1} },
		"key id no hash":     func(m map[string]any) { m["key_ids"] = []any{"id"} },
		"key id padded":      func(m map[string]any) { m["key_ids"] = []any{hash("id") + "="} },
		"many key ids":       func(m map[string]any) { m["key_ids"] = slices.Repeat([]any{hash("id")}, MaxKeyIDs+1) },
		"no nonces":          func(m map[string]any) { delete(m, "nonces") },
		"nonces an object":   func(m map[string]any) { m["nonces"] = map[string]any{} },
		"many nonces":        func(m map[string]any) { m["nonces"] = slices.Repeat([]any{hash("a")}, MaxNonces+1) },
		"nonce no canonical": func(m map[string]any) { m["nonces"] = []any{strings.Repeat("A", 42) + "B"} },
	} {
		t.Run(name, func(t *testing.T) {
			data := members(t, sample())
			change(data)
			if d, err := ParseRuntimeData(data); err == nil || !strings.HasPrefix(err.Error(), "reading runtime data: ") {
				t.Errorf("got %+v and %v, want it refused", d, err)
			}
		})
	}
	for name, d := range map[string]RuntimeData{"bad nonce": {Nonces: []string{"x"}}, "many key ids": {KeyIDs: slices.Repeat([]string{hash("id")}, MaxKeyIDs+1)}} {
		if text, err := json.Marshal(d); err == nil {
			t.Errorf("%s: wrote %s", name, text)
		}
	}
}

// A pod and a viewer would disagree, or a relayed token would fit another connection.
func TestBindNonce(t *testing.T) {
	nonce := NewNonce()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bound, err := BindNonce(r.URL.Query().Get("nonce"), r.TLS)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, bound) //nolint:errcheck // the client compares it
	}))
	server.StartTLS()
	defer server.Close()
	seen := make(map[string]bool)
	for range 2 {
		response, err := server.Client().Get(server.URL + "?nonce=" + nonce)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 64)
		n, _ := response.Body.Read(body) //nolint:errcheck // compared below
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		server.Client().CloseIdleConnections()
		bound, err := BindNonce(nonce, response.TLS)
		if err != nil || bound != string(body[:n]) || seen[bound] {
			t.Errorf("got %q and %v, the server %q; want the same, and another on each connection", bound, err, body[:n])
		}
		seen[bound] = true
		if checkHashes(memberNonces, []string{bound}) != nil {
			t.Errorf("%q does not fit into runtime data", bound)
		}
	}
}

// A server would take up to any length of text into its memory, or both ends would bind nothing.
func TestBindNonceRefuses(t *testing.T) {
	for _, nonce := range []string{"", strings.Repeat("a", MinNonce-1), strings.Repeat("a", MaxNonce+1), strings.Repeat("a", 40) + "=", strings.Repeat("a", 40) + "+", strings.Repeat("é", 20)} {
		if CheckNonce(nonce) == nil {
			t.Errorf("%q: accepted", nonce)
		}
	}
	for _, nonce := range []string{NewNonce(), strings.Repeat("-", MinNonce), strings.Repeat("_Z9", 21) + "a"} {
		if err := CheckNonce(nonce); err != nil {
			t.Errorf("%q: %v", nonce, err)
		}
	}
	if _, err := BindNonce(NewNonce(), nil); err == nil {
		t.Error("bound a nonce to no connection")
	}
}

// A viewer could not verify a pod that follows the protocol, or would read one of two documents.
func TestDocument(t *testing.T) {
	body, err := MarshalDocument("a.b.c")
	if err != nil || string(body) != `{"version":1,"token":"a.b.c"}` {
		t.Errorf("got %s and %v", body, err)
	}
	if token, err := ParseDocument(body); err != nil || token != "a.b.c" {
		t.Errorf("got %q and %v", token, err)
	}
	for _, length := range []int{0, MaxToken + 1} {
		if _, err := MarshalDocument(strings.Repeat("a", length)); err == nil {
			t.Errorf("wrote a token of %d bytes", length)
		}
	}
	for name, bad := range map[string]string{
		"nothing": "", "a page": "<html>", "null": "null", "a list": "[]", "empty": "{}",
		"no version": `{"token":"a"}`, "version 2": `{"version":2,"token":"a"}`, "version 1.0": `{"version":1.0,"token":"a"}`, "version a text": `{"version":"1","token":"a"}`,
		"no token": `{"version":1}`, "empty token": `{"version":1,"token":""}`, "token a number": `{"version":1,"token":1}`, "token null": `{"version":1,"token":null}`,
		"a name twice": `{"version":1,"token":"a","token":"b"}`, "other case": `{"version":1,"token":"a","Token":"b"}`, "other member": `{"version":1,"token":"a","authority":"https://evil.example"}`,
		"two documents": string(body) + string(body), "more after it": string(body) + "x",
		"long token": `{"version":1,"token":"` + strings.Repeat("a", MaxToken+1) + `"}`, "10 MB": `{"version":1,"token":"` + strings.Repeat("a", 10<<20) + `"}`,
		"deep": strings.Repeat("[", MaxDocument),
	} {
		if token, err := ParseDocument([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "reading attestation document: ") {
			t.Errorf("%s: got %.20q and %v", name, token, err)
		}
	}
}

// A response would crash a viewer's program, or it would take another text for the token.
func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(`{"version":1,"token":"a.b.c"}`))
	f.Add([]byte(`{"version":1,"token":"a","token":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := ParseDocument(body)
		if (token == "") == (err == nil) {
			t.Fatal("want either a token or an error")
		}
		if err != nil {
			return
		}
		again, err := MarshalDocument(token)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseDocument(again); err != nil || back != token {
			t.Fatalf("got %q and %v, want %q", back, err, token)
		}
	})
}

// A response would crash a viewer's program, or fill its memory.
func FuzzExchange(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n"))
	request, err := http.NewRequestWithContext(f.Context(), http.MethodGet, "https://pod.example"+Path, http.NoBody)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		status, _, body, err := exchange(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(response), io.Discard}, request)
		if err != nil && body != nil || len(body) > maxHeader+MaxDocument {
			t.Fatalf("got status %d, %d bytes and %v", status, len(body), err)
		}
	})
}

// A token would crash a viewer's program, or a member beside the four would pass.
func FuzzParseRuntimeData(f *testing.F) {
	text, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		claims, err := policy.ParseClaims(text)
		if err != nil {
			return
		}
		d, err := ParseRuntimeData(claims)
		if err != nil {
			return
		}
		if back := members(t, d); !reflect.DeepEqual(back, map[string]any(claims)) {
			t.Fatalf("got %v, want %v", back, claims)
		}
	})
}
