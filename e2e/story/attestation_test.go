package story_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this a viewer could neither see nor verify what the release is based on.
func TestAttestationIsShown(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	p := harness.Consume(t, cfg)
	checks := waitAttested(p, "checked")
	if got, want := checks["x-ms-sevsnpvm-hostdata"], (check{"x-ms-sevsnpvm-hostdata", "Hash of this pod's security policy", "aa11", "aa11", "equal"}); got != want {
		t.Errorf("host data: got %+v, want %+v", got, want)
	}
	if checks["x-ms-sevsnpvm-is-debuggable"].Result != "equal" || checks["iss"].Result != "equal" || checks["x-ms-sevsnpvm-vmpl"] != (check{"x-ms-sevsnpvm-vmpl", "Privilege level (0 is the highest)", "", "0", "not_checked"}) {
		t.Errorf("got %+v", checks)
	}
	page := string(p.Get(p.Page))
	for _, words := range []string{"Obtained after, not for, the release of the key.", "Compared with this pod&#39;s copy of the policy; the vault uses its own.", "aa11", "equal", "not checked", "/api/key/token"} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	token := string(p.Get(p.Page + "/api/key/token"))
	g.set(func() {
		if token == "" || token != g.token {
			t.Errorf("downloaded %d bytes, want the token", len(token))
		}
	})
	if page += string(p.Get(p.Page+"/api/key")) + p.Log.String(); strings.Contains(page, token[:40]) {
		t.Error("the token is in the page, the API or the log")
	}
}

// Without this a person would have to guess which value caused a refusal.
func TestRefusalNamesClaim(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	g.set(func() { g.claims["x-ms-sevsnpvm-hostdata"] = "bb22" })
	g.sidecar.Refuse(skrtest.RefusalPolicy)
	p := harness.Consume(t, cfg)
	checks := waitAttested(p, "checked")
	if got := checks["x-ms-sevsnpvm-hostdata"]; got.Expected != "aa11" || got.Actual != "bb22" || got.Result != "different" {
		t.Errorf("got %+v", got)
	}
	const why = "expected aa11, measured bb22."
	if key := string(p.Get(p.Page + "/api/key")); !strings.Contains(key, why) || !strings.Contains(key, "Key refused by the release policy") {
		t.Errorf("the API says %s", key)
	}
	if page := string(p.Get(p.Page)); !strings.Contains(page, why) || !strings.Contains(page, `class="attestation" open`) {
		t.Error("the page does not open at the claim that differs")
	}
	// A missing role must not be blamed on a claim, even if one differs.
	g.sidecar.Refuse(skrtest.RefusalRole)
	cfg.Group, cfg.Access.Addr, cfg.MetricsAddr = "other", harness.FreeAddr(t), harness.FreeAddr(t)
	other := harness.Consume(t, cfg)
	waitAttested(other, "checked")
	if key := string(other.Get(other.Page + "/api/key")); strings.Contains(key, why) || !strings.Contains(key, "Crypto Service Release User") {
		t.Errorf("the API says %s", key)
	}
}

// Without this an outage of the attestation service would cost the key, or count as a successful check.
func TestAuthorityAwayLeavesRelease(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	g, cfg := attested(t, c.ListenAddrs(), key)
	g.set(func() { g.absent = true })
	p := harness.Consume(t, cfg)
	for claim, got := range waitAttested(p, "unchecked") {
		if got.Result != "not_checked" {
			t.Errorf("%s: got %+v", claim, got)
		}
	}
	if p.KeyState() != "released" {
		t.Errorf("the key is %s", p.KeyState())
	}
	if page := string(p.Get(p.Page)); !strings.Contains(page, "signing keys cannot be fetched") {
		t.Error("the page does not say why nothing was checked")
	}
}

// Without this "check again" would do nothing, or another site could trigger it.
func TestCheckAgain(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	s, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	if body := string(p.Get(p.Page + "/api/key/token")); body != "" {
		t.Errorf("a sidecar that cannot attest gives a token: %s", body)
	}
	post := func(site string) int {
		r, err := http.NewRequest(http.MethodPost, p.Page+"/api/key/check", http.NoBody)
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
	p.Wait("the refusal is shown", func() bool { return strings.Contains(string(p.Get(p.Page+"/api/key")), "Key held since") })
	if got := s.Requests(); got != 2 {
		t.Errorf("the sidecar was asked %d times, want once more", got)
	}
}

// Without this a developer's key file would look like an attested release.
func TestKeyFromFile(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	cfg := harness.Settings(t, c.ListenAddrs(), "http://"+harness.FreeAddr(t))
	cfg.Keys.Provider, cfg.Keys.File = "file", filepath.Join(t.TempDir(), "demo.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(cfg.Keys.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.Consume(t, cfg)
	harness.Write(t, c, 0, harness.Encrypt(t, key, "Msg 1: hello"))
	p.WaitStates(map[string]int{"decrypted": 1})
	if p.KeyState() != "from_file" || !strings.Contains(p.Log.String(), "nothing is attested") {
		t.Errorf("got %s, log %s", p.KeyState(), p.Log)
	}
	page := string(p.Get(p.Page))
	for _, words := range []string{"Key read from a file; nothing was attested", "For development only. Set KEY_PROVIDER=skr.", `class="banner bad"`} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	if p.Misses("key", "") {
		t.Errorf("/readyz misses a key that is there: %v", p.Missing())
	}
}

// Without this Confidential Containers outside Azure could not use the demo.
func TestKeyFromDataHub(t *testing.T) {
	t.Parallel()
	c, key := harness.Broker(t, 1), harness.NewKey(t)
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
	cfg := harness.Settings(t, c.ListenAddrs(), "http://"+harness.FreeAddr(t))
	cfg.Keys.Provider, cfg.Keys.HubURL, cfg.Keys.Names, cfg.Keys.MAAEndpoint, cfg.Keys.AKVEndpoint = "cdh", hub.URL, "default/key/demo", "", ""
	p := harness.Consume(t, cfg)
	harness.Write(t, c, 0, harness.Encrypt(t, key, "Msg 1: hello"))
	p.Wait("the refusal is shown", func() bool {
		return strings.Contains(string(p.Get(p.Page+"/api/key")), "Key refused by the data hub")
	})
	mu.Lock()
	up = true
	mu.Unlock()
	p.WaitStates(map[string]int{"decrypted": 1})
	if key := string(p.Get(p.Page + "/api/key")); !strings.Contains(key, "Reported by the data hub") {
		t.Errorf("the API says %s", key)
	}
}
