package skrclient_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
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

// A user would lose messages forever if the client did not find a sidecar that starts late or restarts.
func TestReleaseFromRestartedSidecar(t *testing.T) {
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

// A user would be refused if the client kept using a token that was renewed in its file.
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
		want := skrtest.KeyRequest{KeyName: "demo", MAAEndpoint: "maa.example.net", AKVEndpoint: "demo.vault.azure.net", AccessToken: token}
		if got := sidecar.LastRequest(); got != want {
			t.Errorf("got request %+v, want %+v", got, want)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := client.Release(t.Context(), request("demo"))
	if got := failure(t, err); got.Cause != skrclient.CauseAccessToken {
		t.Errorf("got %v, want CauseAccessToken", got)
	}
}

// A user would not learn the cause of a refusal, which the sidecar gives only in its text.
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
		{skrtest.RefusalUnknown, skrclient.StepSidecar, skrclient.CauseUnknownReason, 403, true},
		{skrtest.RefusalMAAName, skrclient.StepAttestation, skrclient.CauseHostNotFound, 403, true},
		{skrtest.RefusalAttestation, skrclient.StepAttestation, skrclient.CauseAttestation, 400, false},
		{skrtest.RefusalTCB, skrclient.StepAttestation, skrclient.CauseTCB, 403, true},
		{skrtest.RefusalNoCertificate, skrclient.StepAttestation, skrclient.CauseTCB, 403, true},
		{skrtest.RefusalNoReport, skrclient.StepAttestation, skrclient.CauseNoReport, 403, true},
		{skrtest.RefusalNoIdentity, skrclient.StepIdentity, skrclient.CauseIdentityProvider, 403, true},
		{skrtest.RefusalIdentity, skrclient.StepIdentity, skrclient.CauseIdentity, 400, true},
		{skrtest.RefusalAKVName, skrclient.StepVault, skrclient.CauseHostNotFound, 403, true},
		{skrtest.RefusalAKVNetwork, skrclient.StepVault, skrclient.CauseNetwork, 403, true},
		{skrtest.RefusalToken, skrclient.StepVault, skrclient.CauseIdentity, 401, true},
		{skrtest.RefusalRole, skrclient.StepVault, skrclient.CauseNoRole, 403, true},
		{skrtest.RefusalPolicy, skrclient.StepPolicy, skrclient.CausePolicy, 403, false},
		{skrtest.RefusalForbidden, skrclient.StepVault, skrclient.CauseForbidden, 403, true},
		{skrtest.RefusalNoKey, skrclient.StepVault, skrclient.CauseNoKey, 404, false},
		{skrtest.RefusalThrottled, skrclient.StepVault, skrclient.CauseThrottled, 429, true},
		{skrtest.RefusalVaultDown, skrclient.StepVault, skrclient.CauseServiceFailed, 503, true},
	} {
		sidecar.Refuse(test.refusal)
		for i, name := range []string{"demo", "attestation-tcb-akv-vault", "demo"} { // a key's name must not mislead
			sidecar.SetOld(i == 2)
			_, err := client.Release(t.Context(), request(name))
			got := failure(t, err)
			want := skrclient.Error{KeyName: name, Step: test.step, Kind: skrclient.KindRefused, Cause: test.cause, Status: test.status}
			if *got != want || got.Temporary() != test.temporary || got.Hint() == "" {
				t.Errorf("%.80s: got %+v, temporary %v; want %+v, %v", test.refusal, *got, got.Temporary(), want, test.temporary)
			}
		}
	}
}

// A user would lose the program to a malformed response.
func TestReleaseSurvivesMalformedResponses(t *testing.T) {
	sidecar := newSidecar(t)
	server := httptest.NewServer(sidecar)
	defer server.Close()
	for behaviour, want := range map[skrtest.Behaviour]skrclient.Cause{
		skrtest.Stall: skrclient.CauseTimeout, skrtest.Garbage: skrclient.CauseBadAnswer, skrtest.TwoDocuments: skrclient.CauseBadAnswer,
		skrtest.Huge: skrclient.CauseAnswerTooLong, skrtest.NotReady: skrclient.CauseNotReady,
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

// A user would look for a missing sidecar although it is there and breaks off, or another server listens at its port.
func TestReleaseFromIncompleteHTTP(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "another protocol": "\x15\x03\x01\x00\x02\x02\x46", "a banner": "220 mail ESMTP\r\n", "half a header": "HTTP/1.1 200 OK\r\nContent-",
		"a header without end": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n{}",
		"half a body":          "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
	} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer) //nolint:errcheck // the client may have gone, and then there is no one to tell
			}
		}()
		_, err = newClient(t, skrclient.Config{URL: "http://" + listener.Addr().String()}).Release(t.Context(), request("demo"))
		if got := failure(t, err); got.Cause != skrclient.CauseIncompleteAnswer || got.Kind != skrclient.KindMalformed {
			t.Errorf("%s: got %v, want an incomplete answer", name, got)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A user would lose the token or the key to another host if a redirect or a proxy were followed.
func TestReleaseGoesNowhereElse(t *testing.T) {
	var misdirected atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { misdirected.Add(1) }))
	defer elsewhere.Close()
	t.Setenv("HTTP_PROXY", elsewhere.URL)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := newClient(t, skrclient.Config{URL: server.URL}).Release(t.Context(), request("demo"))
	if got := failure(t, err); got.Cause != skrclient.CauseUnexpectedStatus || got.Status != http.StatusTemporaryRedirect || misdirected.Load() != 0 {
		t.Errorf("got %v and %d misdirected requests, want the redirect refused", got, misdirected.Load())
	}
}

// Without one request at a time a user would overload the services. A waiting program must still stop.
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

// A user would lose the key to the network, or an hour to an invalid setting.
func TestSettingsAreChecked(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "https://localhost:8080", "http://10.0.0.1:8080", "http://sidecar:8080", "http://u:p@localhost", "http://localhost/key/release", "http://localhost?a=b", "http://[::1", "http://localhost:", "http://localhost:99999", "http://localhost:0", "http://localhost:8080\n", "http://localhost.evil.net"} {
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

// Without it a stalled attestation, which is only informative, would delay a pod's key for minutes.
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
		t.Errorf("the interrupted attestation: %v, after %d requests", err, attempts.Load())
	}
}

// Without it an attestation that is interrupted could start again before the release that interrupted it, and again and
// again: a pod would wait for its key, and keep the hardware busy meanwhile.
func TestInterruptedAttestationWaits(t *testing.T) {
	p := newPlatform(t)
	stalled, mux := make(chan struct{}), http.NewServeMux()
	var attempts atomic.Int32
	mux.Handle("POST /key/release", newSidecar(t))
	mux.HandleFunc("POST /attest/maa", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) //nolint:errcheck // only then does the server notice that the client is gone
		attempts.Add(1)
		select {
		case stalled <- struct{}{}:
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client := newClient(t, skrclient.Config{URL: server.URL})
	attester, err := skrclient.NewAttester(skrclient.AttesterConfig{Client: client, MAAEndpoint: p.service.Listener.Addr().String(), CAFile: p.roots()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	attested := make(chan error, 2)
	for range cap(attested) { // for the page, and for its viewers
		go func() {
			_, err := attester.Attest(ctx)
			attested <- err
		}()
	}
	const releases = 200
	for range releases {
		<-stalled
		if _, err := client.Release(t.Context(), request("demo")); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range cap(attested) {
		<-attested
	}
	if most := int32(cap(attested)*releases + 1); attempts.Load() > most {
		t.Errorf("%d releases interrupted attestations %d times, want at most one each", releases, attempts.Load())
	}
}
