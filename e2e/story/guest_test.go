package story_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/skrclient/skrtest"
)

// guest is a pod whose sidecar can attest, and the attestation service.
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

// attested starts a guest, and returns the settings of a consumer in it. The consumer compares its token with a policy
// for the host data aa11.
func attested(t *testing.T, brokers []string, key *rsa.PrivateKey) (*guest, consumer.Config) {
	t.Helper()
	signing := harness.NewKey(t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: signing}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, signer: signer, public: signing.PublicKey, claims: map[string]any{
		"x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-signed-katacc-uvm", "x-ms-sevsnpvm-hostdata": "aa11",
		"x-ms-sevsnpvm-is-debuggable": false, "x-ms-sevsnpvm-vmpl": 0,
	}}
	g.sidecar, _ = harness.Sidecar(t, key)
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
	cfg := harness.Settings(t, brokers, pod.URL)
	cfg.Keys.MAAEndpoint, cfg.Keys.AttestationCAFile, cfg.Keys.PolicyFile = host, roots, policy
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

// checksOf returns the checks of /api/key by claim, and the state of the token.
func checksOf(p *harness.Pod) (state string, checks map[string]check) {
	var key struct {
		Checks      []check
		Attestation struct{ State, Reason, Issued, Expires string }
	}
	if json.Unmarshal(p.Get(p.Page+"/api/key"), &key) != nil {
		return "", nil
	}
	checks = make(map[string]check)
	for _, c := range key.Checks {
		checks[c.Claim] = c
	}
	return key.Attestation.State, checks
}

func waitAttested(p *harness.Pod, want string) map[string]check {
	p.T.Helper()
	var checks map[string]check
	p.Wait("the token is "+want, func() (is bool) {
		var state string
		state, checks = checksOf(p)
		return state == want
	})
	return checks
}
