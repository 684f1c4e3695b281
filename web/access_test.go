package web

import (
	"bytes"
	"context"
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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"
)

// authority signs certificates for a test.
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

// issue makes a certificate for a server on loopback and for a client, and its key.
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

// good is a certificate that is valid now.
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

// put writes a text to a file, and gives its path.
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

// house is a running page with a door.
type house struct {
	*Server
	t    *testing.T
	dir  string
	ca   *authority
	url  string
	log  *lines
	tick chan time.Time
}

// lines is a log that several goroutines write to.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newHouse serves a page over TLS. A test looks at the files by tick, not by the clock.
func newHouse(t *testing.T, change func(*Access, string)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), ca: newAuthority(t, "page's root"), log: new(lines), tick: make(chan time.Time)}
	cert, key := h.ca.good("page")
	access := Access{TLSCertFile: put(t, h.dir, "cert.pem", cert), TLSKeyFile: put(t, h.dir, "key.pem", key)}
	if change != nil {
		change(&access, h.dir)
	}
	var err error
	h.Server, err = New(Options{
		Feed: NewFeed(10), Key: func() KeyStatus { return KeyStatus{State: KeyNotConfigured} },
		Kafka:      func() KafkaStatus { return KafkaStatus{State: KafkaReading, Topic: "t"} },
		Registerer: prometheus.NewRegistry(), Access: access, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.url = "https://" + listener.Addr().String()
	server := h.HTTPServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(h.Listener(listener)) }()
	go h.door.follow(t.Context(), h.tick)
	t.Cleanup(func() { _ = server.Close(); <-served })
	return h
}

// look makes the page look at its files, and returns when it has.
func (h *house) look() {
	h.tick <- time.Time{}
	h.tick <- time.Time{}
}

// client trusts the page's root. Each has connections of its own.
func (h *house) client(certificates ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(h.ca.cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// reply is an answer that was read to its end.
type reply struct {
	StatusCode int
	Header     http.Header
	ProtoMajor int
	TLS        *tls.ConnectionState
	text       string
}

// ask gets a path, with a name and a password if there is a name.
func (h *house) ask(client *http.Client, path, name, password string) (reply, error) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+path, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
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

// status asks for the page, and wants that answer.
func (h *house) status(client *http.Client, name, password string, want int) reply {
	h.t.Helper()
	resp, err := h.ask(client, "/", name, password)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode != want {
		h.t.Fatalf("got status %d, want %d: %.200s", resp.StatusCode, want, resp.text)
	}
	return resp
}

// Without this a page that was meant to be protected would start open, or a person would mend one file per restart, or
// find a password's hash in the log.
func TestAccessReportsAllProblems(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "root")
	file := func(name, text string) string { return put(t, dir, name, text) }
	cert, key := ca.good("page")
	_, otherKey := ca.good("other")
	oldCert, oldKey := ca.issue("page", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	nextCert, nextKey := ca.issue("page", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
	good := Access{TLSCertFile: file("cert", cert), TLSKeyFile: file("key", key)}
	with := func(change func(*Access)) Access {
		a := good
		change(&a)
		return a
	}
	secret := strings.Split(strings.TrimSpace(hashed(t, "alice", "hunter2")), ":")[1]
	md5 := "$apr1$hunter2$hunter2hunter2hunter2."
	for name, test := range map[string]struct {
		access Access
		want   []string
	}{
		"nothing":          {Access{}, nil},
		"tls":              {good, nil},
		"one file for all": {Access{TLSCertFile: file("both", key+cert), TLSKeyFile: file("both", key+cert)}, nil},
		"everything": {with(func(a *Access) {
			a.ClientCAFile, a.UsersFile = file("ca", ca.pem()), file("users", "# who\n\n"+hashed(t, "alice", "x")+strings.ReplaceAll(hashed(t, "bob", "x"), "\n", "\r\n"))
			a.Hosts, a.Streams = []string{"page.example", "10.0.0.1", "::1"}, 10_000
		}), nil},
		"no key":            {Access{TLSCertFile: good.TLSCertFile}, []string{"WEB_TLS_KEY_FILE: is not set, but WEB_TLS_CERT_FILE is"}},
		"no certificate":    {Access{TLSKeyFile: good.TLSKeyFile}, []string{"WEB_TLS_CERT_FILE: is not set"}},
		"unreadable":        {Access{TLSCertFile: "/hunter2", TLSKeyFile: "/hunter2"}, []string{"WEB_TLS_CERT_FILE: reading the file: no such file", "WEB_TLS_KEY_FILE: reading the file: no such file"}},
		"empty":             {with(func(a *Access) { a.TLSCertFile = file("empty", "") }), []string{"WEB_TLS_CERT_FILE: holds no certificate"}},
		"another key":       {with(func(a *Access) { a.TLSKeyFile = file("other", otherKey) }), []string{"WEB_TLS_KEY_FILE: private key does not match"}},
		"no key in it":      {with(func(a *Access) { a.TLSKeyFile = good.TLSCertFile }), []string{"WEB_TLS_KEY_FILE: "}},
		"garbage":           {with(func(a *Access) { a.TLSCertFile = file("garbage", pemText("CERTIFICATE", []byte("hunter2"))) }), []string{"WEB_TLS_CERT_FILE: certificate 1 cannot be read"}},
		"expired":           {Access{TLSCertFile: file("oldcert", oldCert), TLSKeyFile: file("oldkey", oldKey)}, []string{"WEB_TLS_CERT_FILE: the certificate expired on "}},
		"not yet":           {Access{TLSCertFile: file("nextcert", nextCert), TLSKeyFile: file("nextkey", nextKey)}, []string{"WEB_TLS_CERT_FILE: the certificate is not valid before "}},
		"users, no tls":     {Access{UsersFile: file("u", hashed(t, "alice", "x"))}, []string{"WEB_USERS_FILE: needs TLS"}},
		"clients, no tls":   {Access{ClientCAFile: file("c", ca.pem())}, []string{"WEB_CLIENT_CA_FILE: needs TLS"}},
		"no roots":          {with(func(a *Access) { a.ClientCAFile = good.TLSKeyFile }), []string{"WEB_CLIENT_CA_FILE: holds no certificate"}},
		"expired roots":     {with(func(a *Access) { a.ClientCAFile = file("oldroot", oldCert) }), []string{"WEB_CLIENT_CA_FILE: the certificate expired on "}},
		"one root is valid": {with(func(a *Access) { a.ClientCAFile = file("roots", oldCert+ca.pem()) }), nil},
		"no users":          {with(func(a *Access) { a.UsersFile = file("u0", "# nobody\n\n") }), []string{"WEB_USERS_FILE: names no user"}},
		"not bcrypt":        {with(func(a *Access) { a.UsersFile = file("u1", hashed(t, "alice", "x")+"\nbob:"+md5+"\n") }), []string{"WEB_USERS_FILE: line 3: the password's hash is not bcrypt"}},
		"plain":             {with(func(a *Access) { a.UsersFile = file("u2", "bob:hunter2") }), []string{"WEB_USERS_FILE: line 1: the password's hash is not bcrypt"}},
		"more after it":     {with(func(a *Access) { a.UsersFile = file("u3", "bob:"+secret+":hunter2") }), []string{"WEB_USERS_FILE: line 1: "}},
		"no colon":          {with(func(a *Access) { a.UsersFile = file("u4", "hunter2") }), []string{"WEB_USERS_FILE: line 1: is not NAME:HASH"}},
		"no name":           {with(func(a *Access) { a.UsersFile = file("u5", ":"+secret) }), []string{"WEB_USERS_FILE: line 1: the name is empty"}},
		"twice":             {with(func(a *Access) { a.UsersFile = file("u6", "bob:"+secret+"\nbob:"+secret) }), []string{"WEB_USERS_FILE: line 2: the name is there twice"}},
		"too slow":          {with(func(a *Access) { a.UsersFile = file("u7", "bob:"+strings.Replace(secret, "$04$", "$15$", 1)) }), []string{"WEB_USERS_FILE: line 1: the cost"}},
		"hosts":             {Access{Hosts: []string{"hunter2:443"}}, []string{"WEB_HOSTS: "}},
		"hosts, a scheme":   {Access{Hosts: []string{"https://hunter2"}}, []string{"WEB_HOSTS: "}},
		"hosts, a wildcard": {Access{Hosts: []string{"*.hunter2"}}, []string{"WEB_HOSTS: "}},
		"hosts, an empty":   {Access{Hosts: []string{"a", ""}}, []string{"WEB_HOSTS: "}},
		"streams":           {Access{Streams: -1}, []string{"WEB_STREAMS: "}},
		"many": {
			Access{TLSCertFile: file("oldcert", oldCert), TLSKeyFile: file("oldkey", oldKey), UsersFile: file("u8", "hunter2"), ClientCAFile: good.TLSKeyFile, Hosts: []string{""}, Streams: 10_001},
			[]string{"WEB_TLS_CERT_FILE: ", "WEB_USERS_FILE: ", "WEB_CLIENT_CA_FILE: ", "WEB_HOSTS: ", "WEB_STREAMS: "},
		},
	} {
		err := test.access.CheckAccess()
		if (err == nil) != (len(test.want) == 0) {
			t.Errorf("%s: got error %v", name, err)
			continue
		}
		for _, want := range test.want {
			if strings.Count(err.Error(), want) != 1 {
				t.Errorf("%s: want %q once in: %v", name, want, err)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: a value, a path or a hash is in the error: %v", name, err)
		}
	}
}

// Without this programs that serve other pages on the same machine, or a name that leads here through somebody else's
// DNS, could read this one.
func TestHosts(t *testing.T) {
	h := newHouse(t, func(a *Access, _ string) { a.Hosts = []string{"Page.Example", "127.0.0.1", "2001:db8::1"} })
	client := h.client()
	for host, want := range map[string]int{
		"page.example": http.StatusOK, "PAGE.example.": http.StatusOK, "page.example:3333": http.StatusOK, "127.0.0.1:3333": http.StatusOK,
		"[2001:DB8:0::1]:3333": http.StatusOK, "[2001:db8::1]": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "page.example.evil.example": http.StatusMisdirectedRequest, "localhost:3333": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/api/records", "/static/app.js"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != want || want != http.StatusOK && !strings.Contains(string(body), "WEB_HOSTS") {
				t.Errorf("%s%s: got %d %.100s, want %d, %v", host, path, resp.StatusCode, body, want, err)
			}
		}
	}
}

// Without this one person with many tabs could take the memory of the pod, or a page that was closed would keep its place.
func TestStreamsAreCapped(t *testing.T) {
	h := newHouse(t, func(a *Access, _ string) { a.Streams = 3 })
	client := h.client()
	open := func() (context.CancelFunc, int) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/api/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req) //nolint:bodyclose // it ends with its context
		if err != nil {
			t.Fatal(err)
		}
		return end, resp.StatusCode
	}
	var close context.CancelFunc
	for range 3 {
		end, status := open()
		defer end()
		if close = end; status != http.StatusOK {
			t.Fatalf("a stream below the limit gets %d", status)
		}
	}
	over, err := h.ask(client, "/api/events", "", "")
	if err != nil || over.StatusCode != http.StatusTooManyRequests || over.Header.Get("Retry-After") == "" || !strings.Contains(over.text, "WEB_STREAMS") {
		t.Errorf("a stream above the limit gets %d, Retry-After %q: %s, %v", over.StatusCode, over.Header.Get("Retry-After"), over.text, err)
	}
	h.status(client, "", "", http.StatusOK) // the page itself is there
	close()
	for { // its place is free as soon as the server notices
		end, status := open()
		end()
		if status == http.StatusOK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}
