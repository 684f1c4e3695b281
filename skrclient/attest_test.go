package skrclient_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient"
)

// platform is a sidecar that can attest and the attestation service that signs for it.
type platform struct {
	t       *testing.T
	attest  *skrclient.Attester
	service *httptest.Server
	asked   map[string]string // the latest request to the sidecar

	// A test changes these; nil or empty for a sound platform.
	claim  map[string]any // added to the claims, or taken out with nil
	header map[jose.HeaderKey]any
	signer *rsa.PrivateKey
	token  func(sound string) string
	answer func(w http.ResponseWriter, token string)
	certs  func(w http.ResponseWriter)
	jwks   map[string]any
	strays atomic.Int32
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, signer: demoKey(), jwks: map[string]any{"kid": "k1", "kty": "RSA", "x5c": []string{certificate(t, demoKey())}}}
	p.service = httptest.NewTLSServer(http.HandlerFunc(p.serveCerts))
	t.Cleanup(p.service.Close)
	sidecar := httptest.NewServer(http.HandlerFunc(p.serveToken))
	t.Cleanup(sidecar.Close)
	p.attest = p.attester(sidecar.URL, p.roots())
	return p
}

func (p *platform) attester(sidecar, caFile string) *skrclient.Attester {
	p.t.Helper()
	attester, err := skrclient.NewAttester(skrclient.AttesterConfig{
		Client: newClient(p.t, skrclient.Config{URL: sidecar}), MAAEndpoint: p.service.Listener.Addr().String(), CAFile: caFile,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return attester
}

func (p *platform) roots() string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.service.Certificate().Raw}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func certificate(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func (p *platform) serveCerts(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/certs" {
		p.strays.Add(1)
	}
	if p.certs != nil {
		p.certs(w)
		return
	}
	send(w, p.marshal(map[string]any{"keys": []any{map[string]any{"kid": "other", "kty": "EC"}, p.jwks}}))
}

func (p *platform) serveToken(w http.ResponseWriter, r *http.Request) {
	var runtime map[string]any
	p.asked = nil
	if err := json.NewDecoder(r.Body).Decode(&p.asked); err != nil || r.URL.Path != "/attest/maa" {
		p.t.Errorf("got %s and error %v", r.URL.Path, err)
	}
	data, err := base64.StdEncoding.DecodeString(p.asked["runtime_data"])
	if err != nil || json.Unmarshal(data, &runtime) != nil {
		p.t.Errorf("got runtime data %q and error %v, want a JSON object", data, err)
	}
	claims := map[string]any{
		"iss": "https://" + p.asked["maa_endpoint"], "iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-signed-katacc-uvm", "x-ms-runtime": runtime,
		"x-ms-sevsnpvm-hostdata": "aa11", "x-ms-sevsnpvm-launchmeasurement": "bb22", "x-ms-sevsnpvm-is-debuggable": false, "x-ms-sevsnpvm-vmpl": 0,
		"x-ms-sevsnpvm-bootloader-svn": 3, "x-ms-sevsnpvm-tee-svn": 0, "x-ms-sevsnpvm-snpfw-svn": 22, "x-ms-sevsnpvm-microcode-svn": 213,
	}
	maps.Copy(claims, p.claim)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token := p.sign(p.marshal(claims))
	if p.token != nil {
		token = p.token(token)
	}
	if p.answer != nil {
		p.answer(w, token)
		return
	}
	send(w, p.marshal(map[string]string{"token": token}))
}

func (p *platform) marshal(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

func (p *platform) sign(payload string) string {
	options := (&jose.SignerOptions{ExtraHeaders: p.header}).WithType("JWT").WithHeader("jku", "https://"+p.asked["maa_endpoint"]+"/stray")
	if _, there := p.header["kid"]; !there {
		options = options.WithHeader("kid", "k1")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.signer}, options)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return token
}

// A user would lose the attestation of the pod, or see a forged one.
func TestAttest(t *testing.T) {
	in := func(d time.Duration) any { return time.Now().Add(d).Unix() }
	for name, test := range map[string]struct {
		set       func(*platform)
		cause     skrclient.Cause // of the error; empty if there is none
		unchecked skrclient.Cause // why the signature was not checked; empty if it was
	}{
		"sound, x5c alone":     {set: func(*platform) {}},
		"sound, n and e alone": {set: func(p *platform) { p.jwks = numbers(p.t, demoKey(), "k1") }},
		"sound, both": {set: func(p *platform) {
			p.jwks = numbers(p.t, demoKey(), "k1")
			p.jwks["x5c"] = []string{certificate(p.t, demoKey())}
		}},
		"clocks a little apart": {set: func(p *platform) { p.claim = map[string]any{"nbf": in(20 * time.Second)} }},
		"n against x5c": {set: func(p *platform) {
			p.jwks = numbers(p.t, demoKey(), "k1")
			p.jwks["x5c"] = []string{certificate(p.t, otherKey())}
		}, cause: skrclient.CauseSignature},
		"signed by another key": {set: func(p *platform) { p.signer = otherKey() }, cause: skrclient.CauseSignature},
		"another key id":        {set: func(p *platform) { p.header = map[jose.HeaderKey]any{"kid": "k2"} }, cause: skrclient.CauseSignature},
		"a key of its own": {set: func(p *platform) {
			p.signer = otherKey()
			p.header = map[jose.HeaderKey]any{"x5c": []string{certificate(p.t, otherKey())}}
		}, cause: skrclient.CauseSignature},
		"keys of another":    {set: func(p *platform) { p.jwks["x5c"] = []string{certificate(p.t, otherKey())} }, cause: skrclient.CauseSignature},
		"broken certificate": {set: func(p *platform) { p.jwks["x5c"] = []string{"AAAA"} }, cause: skrclient.CauseSignature},
		"payload changed":    {set: func(p *platform) { p.token = changePayload }, cause: skrclient.CauseSignature},
		"another issuer":     {set: func(p *platform) { p.claim = map[string]any{"iss": "https://maa.example.net"} }, cause: skrclient.CauseIssuer},
		"no issuer":          {set: func(p *platform) { p.claim = map[string]any{"iss": nil} }, cause: skrclient.CauseIssuer},
		"expired":            {set: func(p *platform) { p.claim = map[string]any{"exp": in(-2 * time.Minute)} }, cause: skrclient.CauseExpired},
		"no expiry":          {set: func(p *platform) { p.claim = map[string]any{"exp": nil} }, cause: skrclient.CauseExpired},
		"not yet valid":      {set: func(p *platform) { p.claim = map[string]any{"nbf": in(2 * time.Minute)} }, cause: skrclient.CauseExpired},
		"no start":           {set: func(p *platform) { p.claim = map[string]any{"nbf": nil} }, cause: skrclient.CauseExpired},
		"expiry as text":     {set: func(p *platform) { p.claim = map[string]any{"exp": "9999999999"} }, cause: skrclient.CauseExpired},
		"replayed":           {set: func(p *platform) { p.claim = map[string]any{"x-ms-runtime": map[string]string{"nonce": "old"}} }, cause: skrclient.CauseNonce},
		"no runtime data":    {set: func(p *platform) { p.claim = map[string]any{"x-ms-runtime": nil} }, cause: skrclient.CauseNonce},
		"alg none": {set: func(p *platform) {
			p.token = func(sound string) string {
				return header(`{"alg":"none"}`) + sound[strings.Index(sound, "."):strings.LastIndex(sound, ".")+1]
			}
		}, cause: skrclient.CauseNotToken},
		"alg HS256":              {set: func(p *platform) { p.token = hs256 }, cause: skrclient.CauseNotToken},
		"not a token":            {set: func(p *platform) { p.token = func(string) string { return "a.b" } }, cause: skrclient.CauseNotToken},
		"endless token":          {set: func(p *platform) { p.token = func(sound string) string { return sound + strings.Repeat("A", 64<<10) } }, cause: skrclient.CauseNotToken},
		"a name twice":           {set: func(p *platform) { p.token = func(string) string { return p.sign(`{"iss":"a","iss":"b"}`) } }, cause: skrclient.CauseNotToken},
		"payload not an object":  {set: func(p *platform) { p.token = func(string) string { return p.sign(`[]`) } }, cause: skrclient.CauseNotToken},
		"huge answer":            {set: says(200, `{"token":"`+strings.Repeat("A", 2<<20)+`"}`), cause: skrclient.CauseNotToken},
		"two tokens":             {set: says(200, `{"token":"a"}{"token":"b"}`), cause: skrclient.CauseNotToken},
		"old sidecar":            {set: says(404, "404 page not found"), cause: skrclient.CauseNotToken},
		"refused, two documents": {set: says(403, `{"error":"failed to retrieve attestation report"}{"token":""}`), cause: skrclient.CauseNoReport},
		"refused, in an object":  {set: says(403, `{"error":{}}{"token":""}`), cause: skrclient.CauseNotToken},
		"bad request":            {set: says(400, `{"error":"invalid request format"}`), cause: skrclient.CauseBadRequest},
		"bad request of others":  {set: says(400, `<html>`), cause: skrclient.CauseNotToken},
		"not ready":              {set: says(500, `{"error":{}}`), cause: skrclient.CauseNotReady},
		"throttled":              {set: says(403, `{"error":"retrieving MAA token from MAA endpoint failed: : http response status equal to 429 Too Many Requests"}`), cause: skrclient.CauseThrottled},
		"keys refused": {set: func(p *platform) {
			p.certs = func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
		}, unchecked: skrclient.CauseNoSigningKeys},
		"keys elsewhere": {set: func(p *platform) {
			p.certs = func(w http.ResponseWriter) { w.Header().Set("Location", "/stray"); w.WriteHeader(http.StatusFound) }
		}, unchecked: skrclient.CauseNoSigningKeys},
		"keys are a page": {set: func(p *platform) { p.certs = func(w http.ResponseWriter) { send(w, "<html>") } }, unchecked: skrclient.CauseNoSigningKeys},
		"keys without end": {set: func(p *platform) {
			p.certs = func(w http.ResponseWriter) { send(w, `{"keys":[]}`+strings.Repeat(" ", 2<<20)) }
		}, unchecked: skrclient.CauseNoSigningKeys},
		"service down": {set: func(p *platform) { p.service.Close() }, unchecked: skrclient.CauseNoSigningKeys},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			test.set(p)
			got, err := p.attest.Attest(t.Context())
			if p.strays.Load() != 0 {
				t.Error("the attestation service got a request outside /certs")
			}
			if test.cause != "" {
				if failure := failure(t, err); failure.Cause != test.cause || failure.Step != skrclient.StepAttestation || failure.Hint() == "" || strings.Contains(failure.Error(), "key \"") {
					t.Errorf("got %v, want %s", failure, test.cause)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Checked != (test.unchecked == "") || !got.Checked && got.Unchecked.Cause != test.unchecked {
				t.Errorf("got checked %v, %v; want %q", got.Checked, got.Unchecked, test.unchecked)
			}
			if time.Since(got.Issued) > time.Hour || !got.Expires.After(got.Issued) || strings.Count(got.Token(), ".") != 2 {
				t.Errorf("got a token from %s to %s", got.Issued, got.Expires)
			}
			var claims []string
			for _, check := range got.Compare(nil) {
				claims = append(claims, check.Actual)
			}
			if want := []string{"sevsnpvm", "azure-signed-katacc-uvm", "aa11", "false", "0", "bb22", "3", "0", "22", "213", "https://" + p.asked["maa_endpoint"]}; !slices.Equal(claims, want) {
				t.Errorf("got claims %q, want %q", claims, want)
			}
		})
	}
}

func says(status int, body string) func(*platform) {
	return func(p *platform) {
		p.answer = func(w http.ResponseWriter, _ string) { w.WriteHeader(status); send(w, body) }
	}
}

func numbers(t testing.TB, key *rsa.PrivateKey, id string) (members map[string]any) {
	t.Helper()
	text, err := jose.JSONWebKey{Key: &key.PublicKey, KeyID: id}.MarshalJSON()
	if err != nil || json.Unmarshal(text, &members) != nil {
		t.Fatal(err)
	}
	return members
}

func header(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func changePayload(token string) string {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err.Error()
	}
	return parts[0] + "." + header(strings.Replace(string(payload), "is-debuggable\":false", "is-debuggable\":true", 1)) + "." + parts[2]
}

// hs256 signs with the public key as the secret, which a careless verifier accepts.
func hs256(token string) string {
	signed := header(`{"alg":"HS256","kid":"k1"}`) + "." + strings.Split(token, ".")[1]
	mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&demoKey().PublicKey))
	mac.Write([]byte(signed))
	return signed + "." + header(string(mac.Sum(nil)))
}

// A user would lose the key of the whole topic if the request let someone plant a wrapping key.
func TestAttestSendsOnlyANonce(t *testing.T) {
	p := newPlatform(t)
	seen := make(map[string]bool)
	for range 3 {
		if _, err := p.attest.Attest(t.Context()); err != nil {
			t.Fatal(err)
		}
		data, err := base64.StdEncoding.DecodeString(p.asked["runtime_data"])
		if err != nil {
			t.Fatal(err)
		}
		var runtime map[string]string
		if err := json.Unmarshal(data, &runtime); err != nil || len(runtime) != 1 || len(runtime["nonce"]) < 22 || seen[runtime["nonce"]] || len(p.asked) != 2 {
			t.Errorf("got %s, %v and %v; want one new nonce and nothing else", data, p.asked, err)
		}
		seen[runtime["nonce"]] = true
	}
}

// A user would trust an unintended root, or notice a wrong setting too late.
func TestAttesterSettings(t *testing.T) {
	p := newPlatform(t)
	client := newClient(t, skrclient.Config{URL: "http://localhost"})
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]skrclient.AttesterConfig{
		"no client": {MAAEndpoint: "maa"}, "no endpoint": {Client: client}, "scheme": {Client: client, MAAEndpoint: "https://maa"},
		"no such file": {Client: client, MAAEndpoint: "maa", CAFile: empty + "x"}, "no certificate": {Client: client, MAAEndpoint: "maa", CAFile: empty},
	} {
		if _, err := skrclient.NewAttester(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	roots, err := os.ReadFile(p.roots())
	if err != nil {
		t.Fatal(err)
	}
	windows := "\ufeff" + strings.TrimSuffix(strings.ReplaceAll(string(roots), "\n", "\r\n"), "\n")
	if err := os.WriteFile(empty, []byte(windows), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := skrclient.NewAttester(skrclient.AttesterConfig{Client: client, MAAEndpoint: "maa", CAFile: empty}); err != nil {
		t.Errorf("a file with Windows line ends and a byte order mark: %v", err)
	}
	sidecar := httptest.NewServer(http.HandlerFunc(p.serveToken))
	defer sidecar.Close()
	got, err := p.attester(sidecar.URL, "").Attest(t.Context())
	if err != nil || got.Checked || got.Unchecked.Cause != skrclient.CauseNoSigningKeys {
		t.Errorf("got %+v and error %v, want the service's certificate not trusted", got, err)
	}
}

// A user would find the token in a log.
func TestAttestationHidesToken(t *testing.T) {
	got, err := newPlatform(t).attest.Attest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %+v %#v", got, got, got, text, *got, *got)
	for part := range strings.SplitSeq(got.Token(), ".") {
		if strings.Contains(out, part[:40]) {
			t.Error("printing the attestation shows the token")
		}
	}
}

// A token would not be about the caller's data, or a caller could make a vault encrypt a key for a planted one.
func TestAttestRuntimeData(t *testing.T) {
	p := newPlatform(t)
	const data = `{"purpose":"test","list":["a",1]}`
	token, err := p.attest.AttestRuntimeData(t.Context(), []byte(data))
	if err != nil || !token.Checked {
		t.Fatalf("got error %v, checked %v", err, token)
	}
	if sent, err := base64.StdEncoding.DecodeString(p.asked["runtime_data"]); err != nil || string(sent) != data {
		t.Errorf("sent %s and %v, want %s", sent, err, data)
	}
	p.claim = map[string]any{"x-ms-runtime": map[string]any{"purpose": "test", "list": []any{"a", 2}}}
	if _, err := p.attest.AttestRuntimeData(t.Context(), []byte(data)); skrclient.AsError(err).Cause != skrclient.CauseNonce {
		t.Errorf("another's data: got %v", err)
	}
	p.asked = nil
	for _, bad := range []string{`{"keys":[]}`, `{"purpose":"test","keys":null}`, `{}`, `[]`, ``, `{"a":1}{"b":2}`, `{"a":1,"a":2}`} {
		if _, err := p.attest.AttestRuntimeData(t.Context(), []byte(bad)); skrclient.AsError(err).Cause != skrclient.CauseBadRequest {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if p.asked != nil {
		t.Errorf("the sidecar was asked for %v", p.asked)
	}
}
