package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// authority is a certificate authority.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, key, cert}
}

func (a *authority) pem() string { return pemText("CERTIFICATE", a.cert.Raw) }

// issue makes a certificate, for a server on loopback and for a client, and its key.
func (a *authority) issue(name string, from, to time.Time) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", secret)
}

// good issues a certificate that is valid now.
func (a *authority) good(name string) (cert, key string) {
	return a.issue(name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	cert, key := a.good(name)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// put writes a file and returns its path.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hashed(t *testing.T, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":" + string(hash) + "\n"
}

// server is a page behind a guard, served over TLS.
type server struct {
	*Guard
	t       *testing.T
	dir     string
	ca      *authority
	url     string
	log     *logBuffer
	tick    chan time.Time
	streams atomic.Int64 // that are open
}

// logBuffer is a log that several goroutines write to.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server. Its files are reloaded by tick, not by the clock.
func serve(t *testing.T, change func(*Settings, string)) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), ca: newAuthority(t, "page's root"), log: new(logBuffer), tick: make(chan time.Time)}
	cert, key := s.ca.good("page")
	settings := Settings{TLSCertFile: put(t, s.dir, "cert.pem", cert), TLSKeyFile: put(t, s.dir, "key.pem", key)}
	if change != nil {
		change(&settings, s.dir)
	}
	var err error
	s.Guard, err = New(settings, func(w http.ResponseWriter, _ *http.Request, status int, reason Reason) {
		http.Error(w, string(reason), status)
	}, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/viewer", func(w http.ResponseWriter, r *http.Request) {
		name, certificate := Viewer(r)
		w.Header().Set("Viewer", name+"|"+certificate)
	})
	mux.HandleFunc("/events", s.LimitStreams(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "end" {
			return
		}
		s.streams.Add(1)
		defer s.streams.Add(-1)
		_ = http.NewResponseController(w).Flush() //nolint:errcheck // then the client is told later
		<-r.Context().Done()
	}))
	server := &http.Server{Handler: s.Authenticate(mux), ConnContext: ConnContext, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.Listener(listener)) }()
	go s.run(t.Context(), s.tick)
	t.Cleanup(func() { _ = server.Close(); <-served })
	return s
}

// reloadFiles makes the guard reload its files, and returns when it has.
func (s *server) reloadFiles() {
	s.tick <- time.Time{}
	s.tick <- time.Time{}
}

// client makes a client that trusts the page's root and has its own connections.
func (s *server) client(certificates ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// reply is an answer with its body.
type reply struct {
	StatusCode int
	Header     http.Header
	ProtoMajor int
	TLS        *tls.ConnectionState
	text       string
}

// get requests a path, with a name and a password if the name is not empty.
func (s *server) get(client *http.Client, path, name, password string) (reply, error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if name != "" {
		req.SetBasicAuth(name, password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, resp.ProtoMajor, resp.TLS, string(body)}, err
}

// status requests the page and wants this status.
func (s *server) status(client *http.Client, name, password string, want int) reply {
	s.t.Helper()
	resp, err := s.get(client, "/", name, password)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != want {
		s.t.Fatalf("got status %d, want %d: %.200s", resp.StatusCode, want, resp.text)
	}
	return resp
}
