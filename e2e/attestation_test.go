package e2e_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/consumer"
	"kafka-e2ee/skrclient/skrtest"
)

// guest is a pod whose sidecar can attest, and the service that vouches for it.
type guest struct {
	t       *testing.T
	sidecar *skrtest.Sidecar
	service *httptest.Server
	signer  jose.Signer
	public  rsa.PublicKey

	mu     sync.Mutex
	claims map[string]any
	token  string // the latest
	absent bool   // the service's keys cannot be fetched
}

func (g *guest) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// attested starts a guest, and gives the settings of a consumer in it, which
// compares with a policy for the host data aa11.
func attested(t *testing.T, brokers []string, key *rsa.PrivateKey) (*guest, consumer.Config) {
	t.Helper()
	signing := newKey(t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: signing}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, signer: signer, public: signing.PublicKey, claims: map[string]any{
		"x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-signed-katacc-uvm", "x-ms-sevsnpvm-hostdata": "aa11",
		"x-ms-sevsnpvm-is-debuggable": false, "x-ms-sevsnpvm-vmpl": 0,
	}}
	g.sidecar, _ = sidecar(t, key)
	mux := http.NewServeMux()
	mux.Handle("/", g.sidecar)
	mux.HandleFunc("POST /attest/maa", g.attest)
	pod := httptest.NewServer(mux)
	t.Cleanup(pod.Close)
	g.service = httptest.NewTLSServer(http.HandlerFunc(g.certs))
	t.Cleanup(g.service.Close)

	dir := t.TempDir()
	roots, policy := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "policy.json")
	host := g.service.Listener.Addr().String()
	text := fmt.Sprintf(`{"version":"1.0.0","anyOf":[{"authority":"https://%s","allOf":[{"claim":"x-ms-sevsnpvm-hostdata","equals":"aa11"},{"claim":"x-ms-sevsnpvm-is-debuggable","equals":"false"}]}]}`, host)
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.service.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := settings(t, brokers, pod.URL)
	cfg.MAAEndpoint, cfg.AttestationCAFile, cfg.PolicyFile = host, roots, policy
	return g, cfg
}

func (g *guest) certs(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.absent {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	g.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &g.public, KeyID: "k1"}}})
}

func (g *guest) attest(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Endpoint string `json:"maa_endpoint"`
		Runtime  string `json:"runtime_data"`
	}
	var runtime map[string]any
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		g.t.Error(err)
	}
	if data, err := base64.StdEncoding.DecodeString(asked.Runtime); err != nil || json.Unmarshal(data, &runtime) != nil || runtime["keys"] != nil {
		g.t.Errorf("got runtime data %q", asked.Runtime)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	claims := maps.Clone(g.claims)
	claims["iss"], claims["x-ms-runtime"] = "https://"+asked.Endpoint, runtime
	claims["nbf"], claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		g.t.Error(err)
	}
	jws, err := g.signer.Sign(payload)
	if err != nil {
		g.t.Error(err)
		return
	}
	if g.token, err = jws.CompactSerialize(); err != nil {
		g.t.Error(err)
	}
	g.answer(w, map[string]string{"token": g.token})
}

func (g *guest) answer(w http.ResponseWriter, body any) {
	if err := json.NewEncoder(w).Encode(body); err != nil {
		g.t.Error(err)
	}
}

type check struct{ Claim, Name, Expected, Actual, Result string }

// checks are those of /api/key by claim, and the state of the token.
func (p *pod) checks() (state string, checks map[string]check) {
	var key struct {
		Checks      []check
		Attestation struct{ State, Reason, Issued, Expires string }
	}
	if json.Unmarshal(p.get(p.page+"/api/key"), &key) != nil {
		return "", nil
	}
	checks = make(map[string]check)
	for _, c := range key.Checks {
		checks[c.Claim] = c
	}
	return key.Attestation.State, checks
}

func (p *pod) waitAttested(want string) map[string]check {
	p.t.Helper()
	var checks map[string]check
	p.wait("the token is "+want, func() (is bool) {
		var state string
		state, checks = p.checks()
		return state == want
	})
	return checks
}

// Without this a viewer could not see what the release rests on, nor verify it.
func TestAttestationIsShown(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	p := consume(t, cfg)
	checks := p.waitAttested("checked")
	if got, want := checks["x-ms-sevsnpvm-hostdata"], (check{"x-ms-sevsnpvm-hostdata", "Hash of this pod's security policy", "aa11", "aa11", "equal"}); got != want {
		t.Errorf("host data: got %+v, want %+v", got, want)
	}
	if checks["x-ms-sevsnpvm-is-debuggable"].Result != "equal" || checks["iss"].Result != "equal" || checks["x-ms-sevsnpvm-vmpl"] != (check{"x-ms-sevsnpvm-vmpl", "Privilege level (0 is the highest)", "", "0", "not_checked"}) {
		t.Errorf("got %+v", checks)
	}
	page := string(p.get(p.page))
	for _, words := range []string{"Obtained after, not for, the release of the key.", "Compared with this pod&#39;s copy; the vault decides by its own.", "aa11", "equal", "not checked", "/api/key/token"} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	token := string(p.get(p.page + "/api/key/token"))
	g.set(func() {
		if token == "" || token != g.token {
			t.Errorf("downloaded %d bytes, want the token", len(token))
		}
	})
	if page += string(p.get(p.page+"/api/key")) + p.log.String(); strings.Contains(page, token[:40]) {
		t.Error("the token is in the page, the API or the log")
	}
}

// Without this a refusal would leave a person guessing which of the values differs.
func TestRefusalNamesClaim(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	g.set(func() { g.claims["x-ms-sevsnpvm-hostdata"] = "bb22" })
	g.sidecar.Refuse(skrtest.RefusalPolicy)
	p := consume(t, cfg)
	checks := p.waitAttested("checked")
	if got := checks["x-ms-sevsnpvm-hostdata"]; got.Expected != "aa11" || got.Actual != "bb22" || got.Result != "different" {
		t.Errorf("got %+v", got)
	}
	const why = "expected aa11, measured bb22."
	if key := string(p.get(p.page + "/api/key")); !strings.Contains(key, why) || !strings.Contains(key, "Key refused at the release policy") {
		t.Errorf("the API says %s", key)
	}
	if page := string(p.get(p.page)); !strings.Contains(page, why) || !strings.Contains(page, `class="attestation" open`) {
		t.Error("the page does not open at the claim that differs")
	}
	// A missing role is no claim's fault, even where one differs.
	g.sidecar.Refuse(skrtest.RefusalRole)
	cfg.Group, cfg.WebAddr, cfg.MetricsAddr = "other", freeAddr(t), freeAddr(t)
	other := consume(t, cfg)
	other.waitAttested("checked")
	if key := string(other.get(other.page + "/api/key")); strings.Contains(key, why) || !strings.Contains(key, "Crypto Service Release User") {
		t.Errorf("the API says %s", key)
	}
}

// Without this the authority being away would cost the key, or pass for a check.
func TestAuthorityAwayLeavesRelease(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	g.set(func() { g.absent = true })
	p := consume(t, cfg)
	for claim, got := range p.waitAttested("unchecked") {
		if got.Result != "not_checked" {
			t.Errorf("%s: got %+v", claim, got)
		}
	}
	if p.keyState() != "released" {
		t.Errorf("the key is %s", p.keyState())
	}
	if page := string(p.get(p.page)); !strings.Contains(page, "signing keys cannot be fetched") {
		t.Error("the page does not say why nothing was checked")
	}
}

// Without this "check again" would do nothing, or would do what another site wants.
func TestCheckAgain(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	s, url := sidecar(t, key)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	p.wait("the key is released", func() bool { return p.keyState() == "released" })
	if body := string(p.get(p.page + "/api/key/token")); body != "" {
		t.Errorf("a sidecar that cannot attest gives a token: %s", body)
	}
	post := func(site string) int {
		r, err := http.NewRequest(http.MethodPost, p.page+"/api/key/check", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := post("cross-site"); got != http.StatusForbidden {
		t.Errorf("another site: got %d", got)
	}
	s.Refuse(skrtest.RefusalRole)
	for range 5 {
		if got := post("same-origin"); got != http.StatusSeeOther {
			t.Errorf("got %d", got)
		}
	}
	p.wait("the refusal is shown", func() bool { return strings.Contains(string(p.get(p.page+"/api/key")), "Key held since") })
	if got := s.Requests(); got != 2 {
		t.Errorf("the sidecar was asked %d times, want once more", got)
	}
}

// Without this a developer's key file would look like an attested release.
func TestKeyFromFile(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	cfg := settings(t, c.ListenAddrs(), "http://"+freeAddr(t))
	cfg.KeyProvider, cfg.KeyFile = "file", filepath.Join(t.TempDir(), "demo.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(cfg.KeyFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := consume(t, cfg)
	write(t, c, 0, encrypt(t, key, "Msg 1: hello"))
	p.waitStates(map[string]int{"decrypted": 1})
	if p.keyState() != "from_file" || !strings.Contains(p.log.String(), "nothing is attested") {
		t.Errorf("got %s, log %s", p.keyState(), p.log)
	}
	page := string(p.get(p.page))
	for _, words := range []string{"Key read from a file; nothing was attested", "For development only. Set KEY_PROVIDER=skr.", `class="verdict bad"`} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	if ready := string(p.get(p.metrics + "/readyz")); strings.Contains(ready, "key") {
		t.Errorf("readyz misses a key that is there: %s", ready)
	}
}

// Without this Confidential Containers elsewhere than on Azure could not use the demo.
func TestKeyFromDataHub(t *testing.T) {
	t.Parallel()
	c, key := broker(t, 1), newKey(t)
	var mu sync.Mutex
	up := false
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !up || r.URL.Path != "/cdh/resource/default/key/demo" {
			http.Error(w, "ttrpc request error", http.StatusInternalServerError)
			return
		}
		if err := pem.Encode(w, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hub.Close)
	cfg := settings(t, c.ListenAddrs(), "http://"+freeAddr(t))
	cfg.KeyProvider, cfg.HubURL, cfg.KeyNames, cfg.MAAEndpoint, cfg.AKVEndpoint = "cdh", hub.URL, "default/key/demo", "", ""
	p := consume(t, cfg)
	write(t, c, 0, encrypt(t, key, "Msg 1: hello"))
	p.wait("the refusal is shown", func() bool {
		return strings.Contains(string(p.get(p.page+"/api/key")), "Key refused at the data hub")
	})
	mu.Lock()
	up = true
	mu.Unlock()
	p.waitStates(map[string]int{"decrypted": 1})
	if key := string(p.get(p.page + "/api/key")); !strings.Contains(key, "the data hub reports") {
		t.Errorf("the API says %s", key)
	}
}
