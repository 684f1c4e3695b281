package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// attestedSite serves an attested address: /open to everybody, the rest to those whom the guard admits. Its answers are the
// SPKI of the connection.
func attestedSite(t *testing.T, settings Settings, key *AttestedKey) (address string) {
	t.Helper()
	guard, err := New(settings, func(w http.ResponseWriter, _ *http.Request, status int, reason Reason) {
		http.Error(w, string(reason), status)
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spki, ok := AttestedSPKI(r.Context())
		fmt.Fprintf(w, "%x %v", spki, ok) //nolint:errcheck // the client compares it
	})
	mux := http.NewServeMux()
	mux.Handle("/open", guard.CheckHost(answer))
	mux.Handle("/", guard.Authenticate(answer))
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, served := &http.Server{Handler: mux, ConnContext: ConnContext, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}, make(chan error, 1)
	go func() { served <- server.Serve(guard.AttestedListener(plain, key)) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return plain.Addr().String()
}

func newAttestedKey(t *testing.T, hosts ...string) *AttestedKey {
	t.Helper()
	key, err := NewAttestedKey(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func attestedClient(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, Certificates: certificates},
	}}
}

func fetch(t *testing.T, client *http.Client, url string) (status int, body string, state *tls.ConnectionState) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.TLS
}

// A viewer could not compare the attested key with the one of the connection, or an old client would get a connection that
// no nonce can be bound to.
func TestAttestedConnection(t *testing.T) {
	key := newAttestedKey(t, "page.example", "127.0.0.1")
	address := attestedSite(t, Settings{}, key)
	client := attestedClient()
	_, body, state := fetch(t, client, "https://"+address)
	leaf := state.PeerCertificates[0]
	if want := fmt.Sprintf("%x true", key.SPKI()); body != want || sha256.Sum256(leaf.RawSubjectPublicKeyInfo) != key.SPKI() {
		t.Errorf("got %s, want %s, as the certificate says", body, want)
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" {
		t.Errorf("got %T over TLS %x, %s", leaf.PublicKey, state.Version, state.NegotiatedProtocol)
	}
	if !slices.Equal(leaf.DNSNames, []string{"page.example"}) || leaf.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("the certificate is for %v %v", leaf.DNSNames, leaf.IPAddresses)
	}
	for name, config := range map[string]*tls.Config{
		"TLS 1.2": {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12},
		"no TLS":  nil,
	} {
		scheme := "https://"
		if config == nil {
			scheme = "http://"
		}
		old := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		if status, body, _ := fetch(t, old, scheme+address); status == http.StatusOK {
			t.Errorf("%s: got %s", name, body)
		}
	}
}

// A viewer's connection would be taken for one with a key that it never saw.
func TestAttestedKeyIsRenewed(t *testing.T) {
	key := newAttestedKey(t, "127.0.0.1")
	address := attestedSite(t, Settings{}, key)
	before, open := key.SPKI(), attestedClient()
	if _, body, _ := fetch(t, open, "https://"+address); body != fmt.Sprintf("%x true", before) {
		t.Fatal(body)
	}
	if err := key.RenewIfDue(time.Now().Add(certificateLife/2 - time.Hour)); err != nil || key.SPKI() != before {
		t.Errorf("renewed before it was due, or failed: %v", err)
	}
	if err := key.RenewIfDue(time.Now().Add(certificateLife / 2)); err != nil || key.SPKI() == before {
		t.Errorf("not renewed: %v", err)
	}
	if _, body, _ := fetch(t, open, "https://"+address); body != fmt.Sprintf("%x true", before) {
		t.Errorf("an open connection has %s, want the key before, %x", body, before)
	}
	if _, body, _ := fetch(t, attestedClient(), "https://"+address); body != fmt.Sprintf("%x true", key.SPKI()) {
		t.Errorf("a new connection has %s, want the new key", body)
	}
}

// The page would be open to everyone, or nobody could verify it before showing a certificate or a password.
func TestAttestedAddressHasTheSameGuard(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	dir := t.TempDir()
	for name, test := range map[string]struct {
		settings Settings
		client   *http.Client
		page     int // status
		open     int
	}{
		"no certificate":      {Settings{ClientCAFile: put(t, dir, "ca", ours.pem())}, attestedClient(), http.StatusForbidden, http.StatusOK},
		"a certificate":       {Settings{ClientCAFile: put(t, dir, "ca", ours.pem())}, attestedClient(ours.pair("viewer")), http.StatusOK, http.StatusOK},
		"another's":           {Settings{ClientCAFile: put(t, dir, "ca", ours.pem())}, attestedClient(others.pair("viewer")), http.StatusForbidden, http.StatusOK}, // Go's client sends none that the server does not ask for
		"no password":         {Settings{UsersFile: put(t, dir, "users", hashed(t, "alice", "x"))}, attestedClient(), http.StatusUnauthorized, http.StatusOK},
		"another host's name": {Settings{}, attestedClient(), http.StatusMisdirectedRequest, http.StatusMisdirectedRequest},
	} {
		test.settings.AttestedAddr, test.settings.Hosts = "127.0.0.1:1", []string{"127.0.0.1"}
		if test.page == http.StatusMisdirectedRequest {
			test.settings.Hosts = []string{"page.example"}
		}
		address := attestedSite(t, test.settings, newAttestedKey(t, "127.0.0.1"))
		for path, want := range map[string]int{"/": test.page, "/open": test.open} {
			if status, body, _ := fetch(t, test.client, "https://"+address+path); status != want {
				t.Errorf("%s: %s: got %d %s, want %d", name, path, status, body, want)
			}
		}
	}
	address := attestedSite(t, Settings{AttestedAddr: "127.0.0.1:1", Hosts: []string{"127.0.0.1"}, ClientCAFile: put(t, dir, "ca", ours.pem())}, newAttestedKey(t, "127.0.0.1"))
	forged := others.pair("viewer")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify:   true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &forged, nil },
	}}}
	if status, body, _ := fetch(t, client, "https://"+address+"/"); status != 0 {
		t.Errorf("a forged client certificate got %d %s", status, body)
	}
}

// Everyone could make the pod answer as fast as it can, and one viewer could shut out another.
func TestLimitRequests(t *testing.T) {
	guard, err := New(Settings{}, func(w http.ResponseWriter, _ *http.Request, status int, _ Reason) { w.WriteHeader(status) }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	guard.requests.now = func() time.Time { return now }
	ask := func(from string) (int, string) {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = from
		guard.LimitRequests(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		return w.Code, w.Header().Get("Retry-After")
	}
	for i := range freeRequests {
		if status, _ := ask("10.0.0.1:1"); status != http.StatusOK {
			t.Fatalf("request %d got %d", i, status)
		}
	}
	if status, after := ask("10.0.0.1:2"); status != http.StatusTooManyRequests || after != "1" {
		t.Errorf("got %d, retry after %s", status, after)
	}
	if status, _ := ask("10.0.0.2:1"); status != http.StatusOK {
		t.Errorf("another address got %d", status)
	}
	now = now.Add(requestFades)
	if status, _ := ask("10.0.0.1:1"); status != http.StatusOK {
		t.Errorf("after %v got %d", requestFades, status)
	}
}

// A connection of another address would count as an attested one.
func TestOnlyAttestedConnectionsCount(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	for name, conn := range map[string]net.Conn{"plain": far, "TLS": tls.Server(far, &tls.Config{}), "TLS over TLS": tls.Server(tls.Server(far, &tls.Config{}), &tls.Config{})} {
		if spki, ok := AttestedSPKI(ConnContext(context.Background(), conn)); ok {
			t.Errorf("%s: got %x", name, spki)
		}
	}
}
