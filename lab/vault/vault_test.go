package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/ca"
	"kafka-e2ee/lab/rest"
	"kafka-e2ee/skrclient/policy"
)

// authority is an attestation service that signs any claims of a test.
type authority struct {
	*httptest.Server
	cert tls.Certificate
}

// fixture is a vault with two authorities and one wrapping key for all tests.
type fixture struct {
	vault    *Vault
	a, b     *authority
	wrapping *rsa.PrivateKey
}

type testIdentities struct{}

func (testIdentities) Verify(token, _ string) (string, error) {
	if id, ok := strings.CutPrefix(token, "token-of-"); ok {
		return id, nil
	}
	return "", errors.New("no token")
}

var shared = sync.OnceValues(func() (*fixture, error) {
	certificates, err := ca.New()
	if err != nil {
		return nil, err
	}
	w := &fixture{}
	for _, into := range []**authority{&w.a, &w.b} {
		cert, err := certificates.Issue("127.0.0.1")
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		one := &authority{cert: cert}
		one.Server = httptest.NewUnstartedServer(mux)
		one.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		one.StartTLS()
		mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			rest.Write(w, http.StatusOK, map[string]string{"jwks_uri": one.URL + "/certs"})
		})
		mux.HandleFunc("/certs", func(w http.ResponseWriter, _ *http.Request) {
			x5c := []string{base64.StdEncoding.EncodeToString(cert.Certificate[0])}
			rest.Write(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{"kid": "k", "kty": "RSA", "x5c": x5c}}})
		})
		*into = one
	}
	server, err := certificates.Issue("vault.example")
	if err != nil {
		return nil, err
	}
	w.wrapping, err = rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	w.vault, err = New(Config{
		Host: "vault.example", Certificate: server, Identities: testIdentities{}, Logger: slog.New(slog.DiscardHandler),
		Authorities: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificates.Pool()}}},
	})
	if err != nil {
		return nil, err
	}
	w.vault.Grant("officer", Officer)
	w.vault.Grant("pod", ReleaseUser)
	w.vault.Grant("user", User)
	return w, nil
})

var measured = strings.Repeat("ab", 32)

func setup(t testing.TB) *fixture {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	w.vault.ThrottleUntil(time.Time{})
	return w
}

func (w *fixture) do(method, path, identity, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if identity != "" {
		r.Header.Set("Authorization", "Bearer token-of-"+identity)
	}
	answer := httptest.NewRecorder()
	w.vault.ServeHTTP(answer, r)
	return answer
}

// policyFor returns a release policy for the measured workload and the authority.
func policyFor(t testing.TB, a *authority) string {
	t.Helper()
	text, err := json.Marshal(policy.ForWorkload(strings.TrimPrefix(a.URL, "https://"), [32]byte(bytes.Repeat([]byte{0xab}, 32))))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func createBody(size int, policyText string) string {
	return fmt.Sprintf(`{"kty":"RSA-HSM","key_size":%d,"key_ops":["decrypt"],"attributes":{"exportable":true},"release_policy":{"data":%q}}`,
		size, base64.RawURLEncoding.EncodeToString([]byte(policyText)))
}

// create makes a key with a policy for the first authority.
func (w *fixture) create(t testing.TB, name string) {
	t.Helper()
	if answer := w.do("POST", "/keys/"+name+"/create?api-version=7.4", "officer", createBody(2048, policyFor(t, w.a))); answer.Code != 200 {
		t.Fatalf("creating: %d %s", answer.Code, answer.Body)
	}
}

func (w *fixture) claims(issuer *authority) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	return map[string]any{
		"iss": issuer.URL, "iat": now, "nbf": now - 10, "exp": now + 1000,
		policy.ClaimType: "sevsnpvm", policy.ClaimHostData: measured, policy.ClaimCompliance: policy.ComplianceKataCC, policy.ClaimDebug: false,
		"x-ms-runtime": map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "key_ops": []string{"encrypt"}, "n": b64(w.wrapping.N.Bytes()), "e": b64(big.NewInt(65537).Bytes()),
		}}},
	}
}

func (a *authority) sign(t testing.TB, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: a.cert.PrivateKey}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func releaseBody(token string) string { return fmt.Sprintf(`{"target":%q}`, token) }

const releasePath = "/keys/demo/release?api-version=7.4"

// The vault could release a key for a forged token, or to a guest that does not
// satisfy the policy.
func TestTokensThatReleaseNothing(t *testing.T) {
	w := setup(t)
	w.create(t, "demo")
	if answer := w.do("POST", releasePath, "pod", releaseBody(w.a.sign(t, "k", w.claims(w.a)))); answer.Code != 200 {
		t.Fatalf("a good token: %d %s", answer.Code, answer.Body)
	}
	now := time.Now().Unix()
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	for name, c := range map[string]struct {
		signer *authority
		kid    string
		change func(map[string]any)
		status int
	}{
		"expired":                        {w.a, "k", set("exp", now-1), 403},
		"expires now":                    {w.a, "k", set("exp", now), 403},
		"not valid yet":                  {w.a, "k", set("nbf", now+1000), 403},
		"no expiry":                      {w.a, "k", drop("exp"), 403},
		"no beginning":                   {w.a, "k", drop("nbf"), 403},
		"expiry is a text":               {w.a, "k", set("exp", "9999999999"), 403},
		"another authority's":            {w.b, "k", set("iss", w.b.URL), 403},
		"keys swapped":                   {w.b, "k", func(map[string]any) {}, 403},
		"issuer swapped":                 {w.a, "k", set("iss", w.b.URL), 403},
		"no issuer":                      {w.a, "k", drop("iss"), 403},
		"issuer is a list":               {w.a, "k", set("iss", []string{w.a.URL}), 403},
		"unknown key id":                 {w.a, "other", func(map[string]any) {}, 403},
		"another workload":               {w.a, "k", set(policy.ClaimHostData, strings.Repeat("cd", 32)), 403},
		"no host data":                   {w.a, "k", drop(policy.ClaimHostData), 403},
		"debuggable":                     {w.a, "k", set(policy.ClaimDebug, true), 403},
		"not compliant":                  {w.a, "k", drop(policy.ClaimCompliance), 403},
		"no runtime claims":              {w.a, "k", drop("x-ms-runtime"), 400},
		"runtime claims without a key":   {w.a, "k", set("x-ms-runtime", map[string]any{"keys": []any{}}), 400},
		"a wrapping key that is no key":  {w.a, "k", set("x-ms-runtime", map[string]any{"keys": []any{map[string]any{"kty": "RSA", "key_ops": []string{"encrypt"}, "n": "AQAB", "e": "AQAB"}}}), 400},
		"runtime keys are not even list": {w.a, "k", set("x-ms-runtime", map[string]any{"keys": "x"}), 400},
	} {
		claims := w.claims(w.a)
		c.change(claims)
		answer := w.do("POST", releasePath, "pod", releaseBody(c.signer.sign(t, c.kid, claims)))
		if answer.Code != c.status || strings.Contains(answer.Body.String(), "value") {
			t.Errorf("%s: status %d, want %d: %s", name, answer.Code, c.status, answer.Body)
		}
	}
	good := w.a.sign(t, "k", w.claims(w.a))
	parts := strings.Split(good, ".")
	b64 := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, token := range map[string]string{
		"alg none":           b64(`{"alg":"none","kid":"k"}`) + "." + parts[1] + ".",
		"alg none, signed":   b64(`{"alg":"none","kid":"k"}`) + "." + parts[1] + "." + parts[2],
		"alg HS256":          b64(`{"alg":"HS256","kid":"k"}`) + "." + parts[1] + "." + parts[2],
		"truncated":          good[:len(good)-20],
		"payload swapped":    parts[0] + "." + b64(`{}`) + "." + parts[2],
		"empty":              "",
		"not a token":        "abc",
		"only dots":          "..",
		"claims twice":       twice(t, w),
		"keys named by jku":  b64(`{"alg":"RS256","kid":"k","jku":"`+w.b.URL+`/certs"}`) + "." + parts[1] + "." + parts[2],
		"signature of other": parts[0] + "." + parts[1] + "." + strings.Split(w.b.sign(t, "k", w.claims(w.a)), ".")[2],
	} {
		if answer := w.do("POST", releasePath, "pod", releaseBody(token)); answer.Code != 403 {
			t.Errorf("%s: status %d: %s", name, answer.Code, answer.Body)
		}
	}
}

// twice returns a token with a valid signature and a duplicate claim.
func twice(t testing.TB, w *fixture) string {
	t.Helper()
	payload, err := json.Marshal(w.claims(w.a))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: w.a.cert.PrivateKey}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(append([]byte(`{"`+policy.ClaimDebug+`":true,`), payload[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A malformed request could crash the vault, or do something that nobody asked for.
func TestBadRequests(t *testing.T) {
	w := setup(t)
	w.create(t, "demo")
	good := createBody(2048, policyFor(t, w.a))
	weak := strings.Replace(policyFor(t, w.a), policy.ClaimHostData, "x-ms-other", 1)
	const create = "/keys/new/create?api-version=7.4"
	for name, c := range map[string]struct {
		method, path, identity, body string
		status                       int
		want                         string
	}{
		"no token":              {"GET", "/keys/demo?api-version=7.4", "", "", 401, "AKV10000"},
		"no role":               {"GET", "/keys/demo?api-version=7.4", "nobody", "", 403, "ForbiddenByRbac"},
		"user may not release":  {"POST", releasePath, "user", "{}", 403, "ForbiddenByRbac"},
		"pod may not create":    {"POST", create, "pod", good, 403, "ForbiddenByRbac"},
		"pod may not delete":    {"DELETE", "/keys/demo?api-version=7.4", "pod", "", 403, "ForbiddenByRbac"},
		"no api-version":        {"GET", "/keys/demo", "officer", "", 400, "api-version"},
		"unknown key":           {"GET", "/keys/other?api-version=7.4", "officer", "", 404, "KeyNotFound"},
		"unknown version":       {"POST", "/keys/demo/abc/release?api-version=7.4", "pod", "{}", 404, "KeyNotFound"},
		"bad name":              {"GET", "/keys/a%20b?api-version=7.4", "officer", "", 400, "letters"},
		"pod may not update":    {"PATCH", "/keys/demo?api-version=7.4", "pod", "{}", 403, "ForbiddenByRbac"},
		"update malformed":      {"PATCH", "/keys/demo?api-version=7.4", "officer", "", 400, "JSON"},
		"update unknown key":    {"PATCH", "/keys/other?api-version=7.4", "officer", "{}", 404, "KeyNotFound"},
		"update other version":  {"PATCH", "/keys/demo/abc?api-version=7.4", "officer", "{}", 404, "KeyNotFound"},
		"update for anyone":     {"PATCH", "/keys/demo?api-version=7.4", "officer", updateBody(weak, false), 400, "every confidential workload"},
		"update policy empty":   {"PATCH", "/keys/demo?api-version=7.4", "officer", updateBody(`{}`, false), 400, "version"},
		"update exportable":     {"PATCH", "/keys/demo?api-version=7.4", "officer", `{"attributes":{"exportable":false}}`, 400, "created"},
		"update many tags":      {"PATCH", "/keys/demo?api-version=7.4", "officer", `{"key_ops":[` + strings.Repeat(`"x",`, maxTags) + `"x"]}`, 400, "limit"},
		"put":                   {"PUT", releasePath, "pod", "{}", 405, "Method Not Allowed"},
		"elsewhere":             {"GET", "/secrets/x?api-version=7.4", "officer", "", 404, "not found"},
		"too long a path":       {"GET", "/keys/a/b/c/d?api-version=7.4", "officer", "", 404, "not found"},
		"create malformed":      {"POST", create, "officer", "{", 400, "JSON"},
		"create truncated":      {"POST", create, "officer", good[:len(good)/2], 400, "JSON"},
		"create twice":          {"POST", create, "officer", good + good, 400, "one JSON"},
		"create huge":           {"POST", create, "officer", strings.Repeat(" ", 1<<20+1), 413, "longer"},
		"create EC":             {"POST", create, "officer", `{"kty":"EC"}`, 400, "RSA"},
		"create 1024 bits":      {"POST", create, "officer", strings.Replace(good, "2048", "1024", 1), 400, "key size"},
		"create 16384 bits":     {"POST", create, "officer", strings.Replace(good, "2048", "16384", 1), 400, "key size"},
		"exportable, no policy": {"POST", create, "officer", `{"kty":"RSA","attributes":{"exportable":true}}`, 400, "must have release policy"},
		"policy, no export":     {"POST", create, "officer", `{"kty":"RSA","release_policy":{"data":"e30"}}`, 400, "exportable"},
		"policy empty":          {"POST", create, "officer", createBody(2048, `{}`), 400, "version"},
		"policy garbled":        {"POST", create, "officer", `{"kty":"RSA","attributes":{"exportable":true},"release_policy":{"data":"!"}}`, 400, "base64url"},
		"policy operator":       {"POST", create, "officer", createBody(2048, strings.Replace(policyFor(t, w.a), `"equals"`, `"notEquals"`, 1)), 400, "notEquals"},
		"policy version":        {"POST", create, "officer", createBody(2048, strings.Replace(policyFor(t, w.a), "1.0.0", "9", 1)), 400, "version"},
		"policy too deep":       {"POST", create, "officer", createBody(2048, deep()), 400, "nested"},
		"policy for anyone":     {"POST", create, "officer", createBody(2048, weak), 400, "every confidential workload"},
		"policy content type":   {"POST", create, "officer", strings.Replace(good, `"data"`, `"contentType":"text/plain","data"`, 1), 400, "content type"},
		"release malformed":     {"POST", releasePath, "pod", "[", 400, "JSON"},
		"release huge":          {"POST", releasePath, "pod", releaseBody(strings.Repeat("A", 1<<20)), 413, "longer"},
		"release unknown enc":   {"POST", releasePath, "pod", `{"target":"x","enc":"none"}`, 400, "enc"},
	} {
		answer := w.do(c.method, c.path, c.identity, c.body)
		if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.want) {
			t.Errorf("%s: status %d, want %d about %q: %s", name, answer.Code, c.status, c.want, answer.Body)
		}
		if challenge := answer.Header().Get("WWW-Authenticate"); (answer.Code == 401) != strings.HasPrefix(challenge, `Bearer authorization="https://`) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
	if answer := w.do("GET", "/keys/new?api-version=7.4", "officer", ""); answer.Code != 404 {
		t.Errorf("a refused request made a key: %d", answer.Code)
	}
}

func deep() string {
	leaf := `{"claim":"` + policy.ClaimHostData + `","equals":"x"}`
	for range 40 {
		leaf = `{"anyOf":[` + leaf + `]}`
	}
	return `{"version":"1.0.0","anyOf":[{"authority":"https://m.example","allOf":[` + leaf + `]}]}`
}

// The option that opens keys to every workload could fail, or be on by default.
func TestPolicyForAnyWorkload(t *testing.T) {
	w := setup(t)
	p := policy.Policy{Authorities: []policy.Authority{{URL: "https://maa.example", Condition: policy.Condition{
		All: []policy.Condition{{Claim: policy.ClaimType, Equals: "sevsnpvm"}, {Claim: policy.ClaimDebug, Equals: "false"}},
	}}}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/keys/open/create?api-version=7.4"
	if answer := w.do("POST", path, "officer", createBody(2048, string(text))); answer.Code != 400 {
		t.Errorf("without the option: status %d", answer.Code)
	}
	cfg := w.vault.cfg
	cfg.DangerouslyAllowAnyWorkload = true
	careless, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	careless.Grant("officer", Officer)
	if answer := (&fixture{vault: careless}).do("POST", path, "officer", createBody(2048, string(text))); answer.Code != 200 {
		t.Errorf("with the option: status %d: %s", answer.Code, answer.Body)
	}
}

// A busy vault would look like a refusal.
func TestThrottling(t *testing.T) {
	w := setup(t)
	w.create(t, "demo")
	body := releaseBody(w.a.sign(t, "k", w.claims(w.a)))
	w.vault.ThrottleUntil(time.Now().Add(time.Hour))
	if answer := w.do("POST", releasePath, "pod", body); answer.Code != 429 || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), `"Throttled"`) {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	w.vault.ThrottleUntil(time.Now())
	if answer := w.do("POST", releasePath, "pod", body); answer.Code != 200 {
		t.Errorf("after the throttling: status %d: %s", answer.Code, answer.Body)
	}
}

// An authority that is down would look like a refusal.
func TestUnreachableAuthority(t *testing.T) {
	w := setup(t)
	gone := &authority{Server: httptest.NewTLSServer(http.NotFoundHandler()), cert: w.a.cert}
	gone.Close()
	if answer := w.do("POST", "/keys/gone/create?api-version=7.4", "officer", createBody(2048, policyFor(t, gone))); answer.Code != 200 {
		t.Fatalf("creating: %d %s", answer.Code, answer.Body)
	}
	answer := w.do("POST", "/keys/gone/release?api-version=7.4", "pod", releaseBody(gone.sign(t, "k", w.claims(gone))))
	if answer.Code != 403 || !strings.Contains(answer.Body.String(), "cannot be reached") {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
}

// A key would not have the requested size.
func TestKeySizes(t *testing.T) {
	w := setup(t)
	for _, size := range []int{2048, 3072, 4096} {
		answer := w.do("POST", "/keys/sized/create?api-version=7.4", "officer", createBody(size, policyFor(t, w.a)))
		var made struct{ Key struct{ N string } }
		if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
		if n, err := base64.RawURLEncoding.DecodeString(made.Key.N); err != nil || len(n)*8 != size {
			t.Errorf("asked for %d bits, got %d", size, len(n)*8)
		}
	}
}

// A rotation would lose the old key, or release the wrong one.
func TestVersions(t *testing.T) {
	w := setup(t)
	for range 2 {
		w.create(t, "turning")
	}
	var list struct{ Value []struct{ Kid string } }
	answer := w.do("GET", "/keys/turning/versions?api-version=7.4", "officer", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || len(list.Value) != 2 {
		t.Fatalf("versions: %s", answer.Body)
	}
	newest := w.do("GET", "/keys/turning/?api-version=7.4", "officer", "").Body.String()
	if !strings.Contains(newest, list.Value[1].Kid) {
		t.Errorf("the newest version is not the last one made: %s", newest)
	}
	old := strings.TrimPrefix(list.Value[0].Kid, "https://vault.example")
	if one := w.do("GET", old+"?api-version=7.4", "officer", "").Body.String(); !strings.Contains(one, list.Value[0].Kid) {
		t.Errorf("the old version: %s", one)
	}
	if w.do("DELETE", "/keys/turning?api-version=7.4", "officer", "").Code != 200 || w.do("GET", old+"?api-version=7.4", "officer", "").Code != 404 {
		t.Error("a deleted key still exists")
	}
}

// Crafted bodies could crash the vault or release a key.
func FuzzRelease(f *testing.F) {
	w := setup(f)
	w.create(f, "demo")
	good := w.a.sign(f, "k", w.claims(w.a))
	f.Add([]byte(releaseBody(good)))
	f.Add([]byte(`{"target":"a.b.c","enc":"RSA_AES_KEY_WRAP_256"}`))
	// The signature's last character has several valid spellings; the signed part
	// has only one.
	signed := func(token string) string { return token[:strings.LastIndex(token, ".")+1] }
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := w.do("POST", releasePath, "pod", string(body))
		var asked struct{ Target string }
		if answer.Code == 200 && (json.Unmarshal(body, &asked) != nil || signed(asked.Target) != signed(good)) {
			t.Fatalf("released for %q", body)
		}
	})
}

// Any client of an emulated vault that is left running could fill its memory.
func TestStoredKeysAreBounded(t *testing.T) {
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Config{Host: "vault.example", Certificate: w.vault.cfg.Certificate, Identities: testIdentities{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	v.Grant("operator", Officer)
	create := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/keys/demo/create?api-version=7.4", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer token-of-operator")
		recorder := httptest.NewRecorder()
		v.ServeHTTP(recorder, r)
		return recorder
	}
	long, many := strings.Repeat("x", maxTagBytes+1), strings.Repeat(`"x",`, maxTags)
	for name, body := range map[string]string{
		"long tag":        `{"kty":"RSA","tags":{"a":"` + long + `"}}`,
		"long name":       `{"kty":"RSA","tags":{"` + long + `":"a"}}`,
		"many operations": `{"kty":"RSA","key_ops":[` + many + `"x"]}`,
		"long operation":  `{"kty":"RSA","key_ops":["` + long + `"]}`,
	} {
		if got := create(body); got.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", name, got.Code, got.Body)
		}
	}
	for n := range maxVersions {
		if err := v.add(&version{name: fmt.Sprintf("key-%d", n%7), private: w.wrapping}); err != nil {
			t.Fatal(err)
		}
	}
	if got := create(`{"kty":"RSA"}`); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "full") {
		t.Errorf("one version too many: status %d: %s", got.Code, got.Body)
	}
}
