package skrclient_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/skrtest"
)

var demoKey, otherKey = sync.OnceValue(generate), sync.OnceValue(generate)

func generate() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newSidecar(t *testing.T) *skrtest.Sidecar {
	t.Helper()
	sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": demoKey()})
	if err != nil {
		t.Fatal(err)
	}
	return sidecar
}

func newClient(t *testing.T, cfg skrclient.Config) *skrclient.Client {
	t.Helper()
	client, err := skrclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func send(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text) //nolint:errcheck // the client may have gone, and then there is no one to tell
}

func request(name string) skrclient.Request {
	return skrclient.Request{KeyName: name, MAAEndpoint: "maa.example.net", AKVEndpoint: "demo.vault.azure.net"}
}

func failure(t *testing.T, err error) *skrclient.Error {
	t.Helper()
	failure, ok := errors.AsType[*skrclient.Error](err)
	if !ok {
		t.Fatalf("got error %v, want a *skrclient.Error", err)
	}
	return failure
}

// A user would lose messages for ever if a sidecar that starts after the program, or is restarted, were not found.
func TestReleaseWhenSidecarComesAndGoes(t *testing.T) {
	sidecar := newSidecar(t)
	server := skrtest.NewServer(sidecar, "127.0.0.1:0")
	for round := range 2 {
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		client := newClient(t, skrclient.Config{URL: server.URL()})
		key, err := client.Release(t.Context(), request("demo"))
		if err != nil || !key.Equal(demoKey()) {
			t.Fatalf("round %d: got error %v, want the key", round, err)
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		_, err = client.Release(t.Context(), request("demo"))
		if got := failure(t, err); got.Kind != skrclient.KindUnreachable || !got.Temporary() {
			t.Fatalf("round %d: got %v, want unreachable", round, got)
		}
	}
}

// A user would lose the token of another time: one renewed in its file must be used at once.
func TestReleaseSendsToken(t *testing.T) {
	sidecar := newSidecar(t)
	server := httptest.NewServer(sidecar)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	client := newClient(t, skrclient.Config{URL: server.URL, AccessTokenFile: file})
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Release(t.Context(), request("demo")); err != nil {
			t.Fatal(err)
		}
		want := skrtest.Asked{KeyName: "demo", MAAEndpoint: "maa.example.net", AKVEndpoint: "demo.vault.azure.net", AccessToken: token}
		if got := sidecar.Asked(); got != want {
			t.Errorf("got request %+v, want %+v", got, want)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := client.Release(t.Context(), request("demo"))
	if got := failure(t, err); got.Cause != skrclient.CauseToken {
		t.Errorf("got %v, want the empty token file named", got)
	}
}

// A user would lose the cause of a refusal, which the sidecar hides in its text.
func TestReleaseNamesCause(t *testing.T) {
	sidecar := newSidecar(t)
	server := httptest.NewServer(sidecar)
	defer server.Close()
	client := newClient(t, skrclient.Config{URL: server.URL})
	for _, test := range []struct {
		refusal   skrtest.Refusal
		step      skrclient.Step
		cause     skrclient.Cause
		status    int
		temporary bool
	}{
		{skrtest.RefusalUnknown, skrclient.StepSidecar, skrclient.CauseUnknown, 403, true},
		{skrtest.RefusalMAAName, skrclient.StepAttestation, skrclient.CauseName, 403, true},
		{skrtest.RefusalAttestation, skrclient.StepAttestation, skrclient.CauseAttestation, 400, false},
		{skrtest.RefusalTCB, skrclient.StepAttestation, skrclient.CauseTCB, 403, true},
		{skrtest.RefusalNoCertificate, skrclient.StepAttestation, skrclient.CauseTCB, 403, true},
		{skrtest.RefusalIdentity, skrclient.StepVault, skrclient.CauseIdentity, 400, true},
		{skrtest.RefusalAKVName, skrclient.StepVault, skrclient.CauseName, 403, true},
		{skrtest.RefusalAKVNetwork, skrclient.StepVault, skrclient.CauseNetwork, 403, true},
		{skrtest.RefusalToken, skrclient.StepVault, skrclient.CauseIdentity, 401, true},
		{skrtest.RefusalRole, skrclient.StepVault, skrclient.CauseRole, 403, true},
		{skrtest.RefusalPolicy, skrclient.StepPolicy, skrclient.CausePolicy, 403, false},
		{skrtest.RefusalForbidden, skrclient.StepVault, skrclient.CauseForbidden, 403, true},
		{skrtest.RefusalNoKey, skrclient.StepVault, skrclient.CauseNoKey, 404, false},
		{skrtest.RefusalThrottled, skrclient.StepVault, skrclient.CauseThrottled, 429, true},
		{skrtest.RefusalVaultDown, skrclient.StepVault, skrclient.CauseService, 503, true},
	} {
		sidecar.Refuse(test.refusal)
		for _, name := range []string{"demo", "attestation-tcb-akv-vault"} { // a key's name must not mislead
			_, err := client.Release(t.Context(), request(name))
			got := failure(t, err)
			want := skrclient.Error{KeyName: name, Step: test.step, Kind: skrclient.KindRefused, Cause: test.cause, Status: test.status}
			if *got != want || got.Temporary() != test.temporary || got.Hint() == "" {
				t.Errorf("%.80s: got %+v, temporary %v; want %+v, %v", test.refusal, *got, got.Temporary(), want, test.temporary)
			}
		}
	}
}

// A user would lose the program to a sidecar that misbehaves.
func TestReleaseSurvivesNonsense(t *testing.T) {
	sidecar := newSidecar(t)
	server := httptest.NewServer(sidecar)
	defer server.Close()
	for behaviour, want := range map[skrtest.Behaviour]skrclient.Cause{
		skrtest.Stall: skrclient.CauseStalled, skrtest.Garbage: skrclient.CauseAnswer, skrtest.TwoDocuments: skrclient.CauseAnswer,
		skrtest.Huge: skrclient.CauseTooLong, skrtest.NotReady: skrclient.CauseNotReady,
	} {
		timeout := time.Minute
		if behaviour == skrtest.Stall {
			timeout = 20 * time.Millisecond
		}
		sidecar.Behave(behaviour)
		_, err := newClient(t, skrclient.Config{URL: server.URL, Timeout: timeout}).Release(t.Context(), request("demo"))
		if got := failure(t, err); got.Cause != want {
			t.Errorf("%s: got %v, want %s", behaviour, got, want)
		}
	}
}

// A user would lose the token or the key to another host if a redirect or a proxy were followed.
func TestReleaseGoesNowhereElse(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	t.Setenv("HTTP_PROXY", elsewhere.URL)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := newClient(t, skrclient.Config{URL: server.URL}).Release(t.Context(), request("demo"))
	if got := failure(t, err); got.Cause != skrclient.CauseForeign || got.Status != http.StatusTemporaryRedirect || strayed.Load() != 0 {
		t.Errorf("got %v and %d strayed requests, want the redirect refused", got, strayed.Load())
	}
}

// A user would lose the services' goodwill, and a waiting program its way to stop, without one try at a time.
func TestReleaseOneInFlight(t *testing.T) {
	sidecar := newSidecar(t)
	sidecar.Behave(skrtest.Stall)
	var once sync.Once
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(arrived) })
		sidecar.ServeHTTP(w, r)
	}))
	defer server.Close()
	client := newClient(t, skrclient.Config{URL: server.URL})
	first, stopFirst := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := client.Release(first, request("demo")); done <- err }()
	<-arrived
	second, stopSecond := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stopSecond()
	if _, err := client.Release(second, request("demo")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the second caller's own deadline", err)
	}
	stopFirst()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want canceled", err)
	}
	if got := sidecar.Requests(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
}

// A user would lose the key to the network, or an hour to a wrong setting.
func TestSettingsAreChecked(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "https://localhost:8080", "http://10.0.0.1:8080", "http://sidecar:8080", "http://u:p@localhost", "http://localhost/key/release", "http://localhost?a=b", "http://[::1", "http://localhost.evil.net"} {
		if _, err := skrclient.New(skrclient.Config{URL: url}); err == nil {
			t.Errorf("URL %q is accepted", url)
		}
	}
	for _, url := range []string{"http://localhost:8080", "http://localhost:8080/", "http://127.0.0.1", "http://[::1]:8080"} {
		if _, err := skrclient.New(skrclient.Config{URL: url}); err != nil {
			t.Errorf("URL %q: %v", url, err)
		}
	}
	for _, host := range []string{"maa.example.net", "MAA-1.example.net", "localhost:4433", "10.0.0.1"} {
		if err := (skrclient.Request{KeyName: "demo/0a1b", MAAEndpoint: host, AKVEndpoint: host}).Validate(); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	for host, want := range map[string]string{
		"": "is empty", "https://maa.example.net": "drop the leading https://", "http://maa.example.net": "drop the leading http://",
		"maa.example.net/": "without scheme", "maa..net": "without scheme", "a@b": "without scheme", "maa:0": "port", "maa:https": "port",
		strings.Repeat("a.", 200) + "net": "limit 253", "maa.example.net?x": "without scheme", "maa\n": "without scheme",
	} {
		err := skrclient.Request{KeyName: "demo", MAAEndpoint: host, AKVEndpoint: "vault"}.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "vault endpoint") {
			t.Errorf("host %q: got error %v, want %q", host, err, want)
		}
	}
	for _, name := range []string{"", "a b", "../x", "a/b/c", "a/", "/a", "a?b", strings.Repeat("a", 128)} {
		if err := (skrclient.Request{KeyName: name, MAAEndpoint: "maa", AKVEndpoint: "vault"}).Validate(); err == nil {
			t.Errorf("key name %q is accepted", name)
		}
	}
}

// Without it a service that stalls on attestation, which only tells something to people, would keep a pod from its key
// for minutes.
func TestReleaseGoesBeforeAttestation(t *testing.T) {
	p := newPlatform(t)
	stalled, mux := make(chan struct{}), http.NewServeMux()
	var attempts atomic.Int32
	mux.Handle("POST /key/release", newSidecar(t))
	mux.HandleFunc("POST /attest/maa", func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) == 1 {
			_, _ = io.Copy(io.Discard, r.Body) //nolint:errcheck // only then does the server notice that the client is gone
			close(stalled)
			<-r.Context().Done()
			return
		}
		p.serveToken(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client := newClient(t, skrclient.Config{URL: server.URL})
	attester, err := skrclient.NewAttester(skrclient.AttesterConfig{Client: client, MAAEndpoint: p.service.Listener.Addr().String(), CAFile: p.roots()})
	if err != nil {
		t.Fatal(err)
	}
	attested := make(chan error, 1)
	go func() {
		_, err := attester.Attest(t.Context())
		attested <- err
	}()
	<-stalled
	for range 3 { // several keys, one after the other
		if key, err := client.Release(t.Context(), request("demo")); err != nil || !key.Equal(demoKey()) {
			t.Fatalf("releasing while an attestation stalls: %v", err)
		}
	}
	if err := <-attested; err != nil || attempts.Load() < 2 {
		t.Errorf("the attestation after it: %v, after %d requests", err, attempts.Load())
	}
}
