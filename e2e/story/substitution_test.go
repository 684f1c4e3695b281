package story_test

import (
	"crypto/rsa"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/skrclient/skrtest"
)

// keySource is where a consumer gets its key, and whose operator puts another key there under the same name.
type keySource struct {
	put      func(*rsa.PrivateKey)
	settings func(*consumer.Config)
	released string // the key's state when it is here
}

// vaultSource is the emulated vault, with a pod that the release policies of all its keys allow.
func vaultSource(t *testing.T) keySource {
	t.Helper()
	const host = "vault.lab.example"
	c := harness.StartCloud(t, host)
	guest := snp.Guest{SecurityPolicy: []byte(harness.MeasuredPolicy), Measurement: cloud.Measurement()}
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	pod := httptest.NewServer(skrtest.NewWithPlatform(c.Pod(guest, cloud.PodID)))
	t.Cleanup(pod.Close)
	return keySource{
		put: func(key *rsa.PrivateKey) {
			if _, err := c.Vault.Add(harness.KeyName, key, policy.ForWorkload(harness.AttestationHost, guest.HostData())); err != nil {
				t.Fatal(err)
			}
		},
		settings: func(cfg *consumer.Config) {
			cfg.Keys.SkrURL, cfg.Keys.MAAEndpoint, cfg.Keys.AKVEndpoint = pod.URL, harness.AttestationHost, host
		},
		released: "released",
	}
}

// hubSource is a data hub of Confidential Containers.
func hubSource(t *testing.T) keySource {
	t.Helper()
	var text atomic.Pointer[string]
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, *text.Load()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hub.Close)
	return keySource{
		put: func(key *rsa.PrivateKey) {
			stored := harness.PEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
			text.Store(&stored)
		},
		settings: func(cfg *consumer.Config) {
			cfg.Keys.Provider, cfg.Keys.HubURL, cfg.Keys.Names, cfg.Keys.MAAEndpoint, cfg.Keys.AKVEndpoint = "cdh", hub.URL, "default/key/demo", "", ""
		},
		released: "released",
	}
}

// fileSource is a file.
func fileSource(t *testing.T) keySource {
	t.Helper()
	file := filepath.Join(t.TempDir(), "demo.pem")
	return keySource{
		put: func(key *rsa.PrivateKey) {
			if err := os.WriteFile(file, []byte(harness.PEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		settings: func(cfg *consumer.Config) { cfg.Keys.Provider, cfg.Keys.File = "file", file },
		released: "from_file",
	}
}

// Without this whoever runs the vault could put a key of their own there, have the producer encrypt for it, read
// everything, and the page would call it released after attestation.
func TestForeignKeyIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) keySource{"vault": vaultSource, "data hub": hubSource, "file": fileSource} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, source := harness.Broker(t, 1), start(t)
			key, next, foreign := harness.NewKey(t), harness.NewKey(t), harness.NewKey(t)
			ids := envelope.KeyID(&key.PublicKey) + "," + envelope.KeyID(&next.PublicKey)
			consume := func(group, expected string) *harness.Pod {
				cfg := harness.Settings(t, c.ListenAddrs(), "http://"+harness.FreeAddr(t))
				source.settings(&cfg)
				cfg.Group, cfg.Keys.ExpectedIDs = group, expected
				return harness.Consume(t, cfg)
			}
			source.put(foreign)
			p := consume("strict", ids)
			harness.Write(t, c, 0, harness.Encrypt(t, foreign, "for the foreign key"))
			p.WaitStates(map[string]int{"no_key": 1})
			saysUnexpected(t, p, &foreign.PublicKey, ids)

			// What the setting prevents.
			consume("any key", "").WaitStates(map[string]int{"decrypted": 1})

			// The key is restored: the foreign key still opens nothing. (The consumer asks again by itself, too, but
			// within a minute: TestKeeperUnexpectedKey.)
			source.put(key)
			checkAgain(t, p)
			harness.Write(t, c, 0, harness.Encrypt(t, key, "for the expected key"))
			p.WaitStates(map[string]int{"decrypted": 1, "undecryptable": 1})
			if p.KeyState() != source.released {
				t.Errorf("after it was restored the key is %s", p.KeyState())
			}

			// A rotation to the other expected key.
			source.put(next)
			checkAgain(t, p)
			harness.Write(t, c, 0, harness.Encrypt(t, next, "for the next key"))
			p.WaitStates(map[string]int{"decrypted": 2, "undecryptable": 1})

			// Replaced again, while expected keys are held: these stay in use, and the page says so.
			source.put(foreign)
			checkAgain(t, p)
			p.Wait("the key is unexpected", func() bool { return p.KeyState() == "unexpected" })
			saysUnexpected(t, p, &foreign.PublicKey, ids)
			if page := string(p.Get(p.Page)); !strings.Contains(page, "The expected key that this pod holds from before stays in use.") {
				t.Error("the page does not say that the expected key stays in use")
			}
			harness.Write(t, c, 0, harness.Encrypt(t, foreign, "for the foreign key again"), harness.Encrypt(t, key, "for the expected key again"))
			p.WaitStates(map[string]int{"decrypted": 3, "undecryptable": 2})
		})
	}
}

// saysUnexpected waits until the key is unexpected, and checks that page, API, log and metrics tell it.
func saysUnexpected(t *testing.T, p *harness.Pod, foreign *rsa.PublicKey, ids string) {
	t.Helper()
	p.Wait("the key is unexpected", func() bool { return p.KeyState() == "unexpected" })
	released := "Released: " + envelope.KeyID(foreign) + ". Expected: " + strings.ReplaceAll(ids, ",", ", ") + "."
	for what, words := range map[string]struct {
		text string
		want []string
	}{
		"the page":             {string(p.Get(p.Page + "/?lang=en")), []string{"Unexpected key: it is not used", released, "somebody replaced it", `class="banner bad"`}},
		"the page in Japanese": {string(p.Get(p.Page + "/?lang=ja")), []string{"想定外の鍵: 使用していません", envelope.KeyID(foreign), strings.ReplaceAll(ids, ",", ", "), "鍵がすり替えられています"}},
		"the API":              {string(p.Get(p.Page + "/api/key")), []string{`"state":"unexpected"`, released, `"unexpected_key_id":"` + envelope.KeyID(foreign) + `"`, `"expected_key_ids":["` + strings.ReplaceAll(ids, ",", `","`) + `"]`}},
		"the log":              {p.Log.String(), []string{"unexpected key released", `"released":"` + envelope.KeyID(foreign) + `"`, `"expected":["` + strings.ReplaceAll(ids, ",", `","`) + `"]`}},
		"the metrics":          {string(p.Get(p.Metrics + "/metrics")), []string{`e2ee_key_state{state="unexpected"} 1`, `e2ee_key_release_attempts_total{outcome="unexpected"}`}},
		"readyz":               {string(p.Get(p.Metrics + "/readyz")), []string{`"part":"key","state":"unexpected"`}},
	} {
		for _, want := range words.want {
			if !strings.Contains(words.text, want) {
				t.Errorf("%s lacks %q", what, want)
			}
		}
	}
}

// checkAgain presses "Check again".
func checkAgain(t *testing.T, p *harness.Pod) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.Page+"/api/key/check", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Errorf("checking again: got %d", resp.StatusCode)
	}
}
