package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// protected serves a page over TLS to alice, and returns its address.
func protected(t *testing.T, change ...func(*Options)) (url string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{
		Feed: feed.New(10), Key: func() podstatus.Key { return podstatus.Key{State: podstatus.KeyNotConfigured} },
		Kafka:      func() podstatus.Kafka { return podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t"} },
		Registerer: prometheus.NewRegistry(),
		Access: access.Settings{
			TLSCertFile: file("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
			TLSKeyFile:  file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
			UsersFile:   file("users", append([]byte("alice:"), hash...)),
			Hosts:       []string{"127.0.0.1"},
		},
	}
	for _, f := range change {
		f(&opts)
	}
	server, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	httpServer, served := server.HTTPServer(), make(chan error, 1)
	go func() { served <- httpServer.Serve(server.Listener(listener)) }()
	t.Cleanup(func() { _ = httpServer.Close(); <-served })
	return "https://" + listener.Addr().String()
}

// Without this one address of the page could be read by everyone, a refusal would lack the headers of the page, or a
// viewer who is signed in could be shut out by somebody who guesses passwords.
func TestEveryAddressIsGuarded(t *testing.T) {
	url := protected(t)
	newClient := func() *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	get := func(client *http.Client, path, password, host string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("alice", password)
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
	alice := newClient()
	if status, page, _ := get(alice, "/", "right", ""); status != http.StatusOK || !strings.Contains(page, "<html") {
		t.Fatalf("a viewer with the right password gets %d %.100s", status, page)
	}
	for _, path := range []string{"/", "/proof", "/records/t/0/1", "/static/live.js", "/favicon.ico", "/api", "/api/records", "/api/records/t/0/1", "/api/records/t/0/1/value", "/api/stream", "/api/export", "/api/openapi.json", "/api/key", "/api/key/evidence", "/api/key/token", "/api/key/check", "/api/events", "/nothing"} {
		for host, want := range map[string]int{"": http.StatusUnauthorized, "evil.example": http.StatusMisdirectedRequest} {
			status, body, header := get(newClient(), path, "", host)
			if status != want || header.Get("Content-Security-Policy") == "" || strings.HasPrefix(path, "/api") != strings.HasPrefix(body, `{"type":"urn:kafka-e2ee:problem:`) {
				t.Errorf("%s without a password at host %q: got %d, %v, %s", path, host, status, header, body)
			}
		}
	}
	for range 20 {
		get(newClient(), "/", "wrong", "")
	}
	if status, _, header := get(newClient(), "/", "right", ""); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("after 20 wrong passwords: got %d", status)
	}
	if status, _, _ := get(alice, "/", "right", ""); status != http.StatusOK {
		t.Errorf("a viewer who is signed in gets %d", status)
	}
}
