package cloud_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/skrclient/skrtest"
)

const (
	maaHost   = "attestation.lab.example"
	vaultHost = "vault.lab.example"
	keyName   = "demo"
)

func start(t testing.TB, change func(*cloud.Config)) *cloud.Cloud {
	t.Helper()
	cfg := cloud.Config{
		AttestationHost: maaHost, VaultHost: vaultHost, Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler),
	}
	change(&cfg)
	c, err := cloud.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func guest() snp.Guest {
	return snp.Guest{SecurityPolicy: []byte("package agent_policy"), Measurement: cloud.Measurement()}
}

// addKey adds a version of the key for the guest, and returns it with its id.
func addKey(t testing.TB, c *cloud.Cloud, g snp.Guest) (key *rsa.PrivateKey, version string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if version, err = c.Vault.Add(keyName, key, policy.ForWorkload(maaHost, g.HostData())); err != nil {
		t.Fatal(err)
	}
	return key, version
}

// ask asks the sidecar of the pod for a key, with the real client.
func ask(t testing.TB, pod *sidecar.Platform, name, maa, akv string) (key string, failure *skrclient.Error) {
	t.Helper()
	server := httptest.NewServer(skrtest.NewWithPlatform(pod))
	defer server.Close()
	client, err := skrclient.New(skrclient.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	released, err := client.Release(t.Context(), skrclient.Request{KeyName: name, MAAEndpoint: maa, AKVEndpoint: akv})
	if err != nil {
		if !errors.As(err, &failure) {
			t.Fatal(err)
		}
		return "", failure
	}
	return released.N.String(), nil
}

// A laptop could not show the cloud's decision: the measured guest gets the key,
// and a refusal has exactly the reason that the person reads.
func TestTheWholeChain(t *testing.T) {
	c := start(t, func(*cloud.Config) {})
	first, firstVersion := addKey(t, c, guest())
	second, _ := addKey(t, c, guest())
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	pod := func(change func(*sidecar.Platform)) *sidecar.Platform {
		p := c.Pod(guest(), cloud.PodID)
		change(p)
		return p
	}
	same := func(*sidecar.Platform) {}
	for name, c := range map[string]struct {
		pod         *sidecar.Platform
		key, maa    string
		vault       string
		step        skrclient.Step
		cause       skrclient.Cause
		releasedKey string
	}{
		"newest":          {pod(same), keyName, maaHost, vaultHost, "", "", second.N.String()},
		"first version":   {pod(same), keyName + "/" + firstVersion, maaHost, vaultHost, "", "", first.N.String()},
		"tampered":        {pod(func(p *sidecar.Platform) { p.Guest.SecurityPolicy = []byte("other") }), keyName, maaHost, vaultHost, skrclient.StepPolicy, skrclient.CausePolicy, ""},
		"debug":           {pod(func(p *sidecar.Platform) { p.Guest.Debug = true }), keyName, maaHost, vaultHost, skrclient.StepPolicy, skrclient.CausePolicy, ""},
		"unknown machine": {pod(func(p *sidecar.Platform) { p.Guest.Measurement = [48]byte{} }), keyName, maaHost, vaultHost, skrclient.StepPolicy, skrclient.CausePolicy, ""},
		"no role":         {pod(func(p *sidecar.Platform) { p.ClientID = "stranger" }), keyName, maaHost, vaultHost, skrclient.StepIdentity, skrclient.CauseIdentity, ""},
		"no such key":     {pod(same), "other", maaHost, vaultHost, skrclient.StepVault, skrclient.CauseNoKey, ""},
		"no such maa":     {pod(same), keyName, "maa.example", vaultHost, skrclient.StepAttestation, skrclient.CauseHostNotFound, ""},
		"no such vault":   {pod(same), keyName, maaHost, "akv.lab.example", skrclient.StepVault, skrclient.CauseHostNotFound, ""},
	} {
		key, failure := ask(t, c.pod, c.key, c.maa, c.vault)
		switch {
		case c.cause == "" && (failure != nil || key != c.releasedKey):
			t.Errorf("%s: got another key or error %v, want the key released", name, failure)
		case c.cause != "" && (failure == nil || failure.Step != c.step || failure.Cause != c.cause):
			t.Errorf("%s: got %v, want %s: %s", name, failure, c.step, c.cause)
		}
	}
	c.Vault.ThrottleUntil(time.Now().Add(time.Hour))
	if _, failure := ask(t, pod(same), keyName, maaHost, vaultHost); failure == nil || failure.Cause != skrclient.CauseThrottled {
		t.Errorf("throttled: got %v", failure)
	}
	fresh := start(t, func(*cloud.Config) {})
	addKey(t, fresh, guest())
	fresh.Vault.Grant(cloud.PodID, vault.User) // the role that the article names
	if _, failure := ask(t, fresh.Pod(guest(), cloud.PodID), keyName, maaHost, vaultHost); failure == nil || failure.Cause != skrclient.CauseNoRole {
		t.Errorf("role Crypto User: got %v", failure)
	}
	// Hardware of another manufacturer: signed, but not by the trusted chain.
	stranger := c.Pod(guest(), cloud.PodID)
	stranger.Hardware = fresh.Chip
	if _, failure := ask(t, stranger, keyName, maaHost, vaultHost); failure == nil || failure.Cause != skrclient.CauseAttestation {
		t.Errorf("another manufacturer's hardware: got %v", failure)
	}
}

// A program that asks the sidecar for attestations would get other answers than
// from the real one.
func TestSidecarAttests(t *testing.T) {
	c := start(t, func(*cloud.Config) {})
	server := httptest.NewServer(skrtest.NewWithPlatform(c.Pod(guest(), cloud.PodID)))
	defer server.Close()
	runtime := sha256.Sum256([]byte(`{"nonce":"n"}`))
	for name, test := range map[string]struct {
		path, body string
		status     int
		documents  int
		want       []string
	}{
		"maa":                 {"/attest/maa", `{"maa_endpoint":"` + maaHost + `","runtime_data":"eyJub25jZSI6Im4ifQ=="}`, 200, 1, []string{"token"}},
		"maa, list":           {"/attest/maa", `{"maa_endpoint":"` + maaHost + `","runtime_data":"W10="}`, 403, 2, []string{"error"}},
		"maa, not base64":     {"/attest/maa", `{"maa_endpoint":"` + maaHost + `","runtime_data":"!"}`, 400, 1, []string{"error"}},
		"maa, no such host":   {"/attest/maa", `{"maa_endpoint":"maa.example","runtime_data":"e30="}`, 403, 2, []string{"error"}},
		"maa, malformed":      {"/attest/maa", `{`, 400, 1, []string{"error"}},
		"raw":                 {"/attest/raw", `{"runtime_data":"eyJub25jZSI6Im4ifQ=="}`, 200, 1, []string{"report"}},
		"raw, empty":          {"/attest/raw", `{}`, 400, 1, []string{"error"}},
		"combined, empty":     {"/attest/combined", `{}`, 400, 1, []string{"error"}},
		"raw, malformed":      {"/attest/raw", `[]`, 400, 1, []string{"error"}},
		"combined":            {"/attest/combined", `{"runtime_data":"eyJub25jZSI6Im4ifQ=="}`, 200, 1, []string{"endorsed_tcb", "endorsements", "evidence", "uvm_endorsements"}},
		"combined, malformed": {"/attest/combined", ``, 400, 1, []string{"error"}},
		"combined, huge":      {"/attest/combined", `{"runtime_data":"` + strings.Repeat("A", 1<<20) + `"}`, 400, 1, []string{"error"}},
	} {
		answer, err := http.Post(server.URL+test.path, "application/json", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != test.status {
			t.Errorf("%s: status %d, want %d: %s", name, answer.StatusCode, test.status, body)
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		var fields map[string]string
		if err := decoder.Decode(&fields); err != nil || len(fields) != len(test.want) {
			t.Errorf("%s: got %s", name, body)
		}
		for _, want := range test.want {
			if _, there := fields[want]; !there {
				t.Errorf("%s: no %q in %s", name, want, body)
			}
		}
		if (decoder.Decode(&struct{}{}) == nil) != (test.documents == 2) {
			t.Errorf("%s: want %d documents: %s", name, test.documents, body)
		}
		if report, err := hex.DecodeString(fields["report"]); test.path == "/attest/raw" && test.status == 200 && (err != nil || len(report) != 1184 || !bytes.Equal(report[80:112], runtime[:])) {
			t.Errorf("%s: the report is not bound to the runtime data", name)
		}
	}
}

// A firmware roll-out, which resolves itself, would look like a refusal: for a
// while the certificates still have the previous level.
func TestFirmwareRollOut(t *testing.T) {
	c := start(t, func(*cloud.Config) {})
	stale := c.Chip.Certification()
	stale.TCBM = "3000000000000000"
	thim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(stale); err != nil {
			t.Error(err)
		}
	}))
	defer thim.Close()
	pod := c.Pod(guest(), cloud.PodID)
	pod.Metadata, pod.Client = thim.URL, thim.Client()
	if _, failure := ask(t, pod, keyName, maaHost, vaultHost); failure == nil || failure.Cause != skrclient.CauseTCB {
		t.Errorf("got %v", failure)
	}
}

// A policy could make the vault fetch from any host.
func TestClientReachesNothingElse(t *testing.T) {
	c := start(t, func(*cloud.Config) {})
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, other.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := c.Client().Do(request); err == nil {
		answer.Body.Close()
		t.Error("another host was reached")
	}
}
