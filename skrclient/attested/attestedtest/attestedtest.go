// Package attestedtest is a container with an attested page, and the attestation service that signs for it, for tests of
// programs that verify one.
//
//	service := attestedtest.NewService(t)
//	pod := service.NewPod(t, http.HandlerFunc(page))
//	verifier, err := attested.New(attested.Config{Policy: service.Policy(), CAFile: service.CAFile})
//	result, err := verifier.Verify(ctx, pod.Address())
//
// Its tokens, signatures and TLS are real. Nothing is measured.
package attestedtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/policy"
)

// T is the part of a [testing.TB] that this package needs. A program that has none, such as an example, can bring its own.
type T interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
	Cleanup(func())
}

//nolint:gochecknoglobals // the same for all services, because RSA keys take time
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Service is an attestation service.
type Service struct {
	*httptest.Server
	CAFile string // the roots of its TLS
	signer jose.Signer
}

// NewService starts a service, which ends with the test.
func NewService(t T) *Service {
	t.Helper()
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: &key.PublicKey, KeyID: "k1", Algorithm: string(jose.RS256)}
	s := &Service{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/certs" {
			t.Errorf("the attestation service was asked for %s", r.URL.Path)
		}
		write(t, w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
	}))
	t.Cleanup(s.Close)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, root, 0o600); err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1").WithHeader("jku", s.URL+"/ignored")
	if s.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options); err != nil {
		t.Fatal(err)
	}
	return s
}

// Host is the service's host name, with its port.
func (s *Service) Host() string { return s.Listener.Addr().String() }

// HostData is the measurement of every pod.
func HostData() [sha256.Size]byte { return sha256.Sum256([]byte("a security policy")) }

// Policy is the release policy of the pods' key.
func (s *Service) Policy() policy.Policy { return policy.ForWorkload(s.Host(), HostData()) }

// Sign signs claims.
func (s *Service) Sign(t T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return s.SignPayload(t, payload)
}

// SignPayload signs any payload.
func (s *Service) SignPayload(t T, payload []byte) string {
	t.Helper()
	jws, err := s.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Claims returns the claims of a sound pod with the runtime data.
func (s *Service) Claims(runtime any) map[string]any {
	hostData, now := HostData(), time.Now()
	return map[string]any{
		"iss": s.URL, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(8 * time.Hour).Unix(),
		policy.ClaimType: "sevsnpvm", policy.ClaimCompliance: policy.ComplianceKataCC, policy.ClaimDebug: false, policy.ClaimVMPL: 0,
		policy.ClaimHostData: hex.EncodeToString(hostData[:]), "x-ms-runtime": runtime,
	}
}

// Pod is a container with an attested page. A test changes it before the first request.
type Pod struct {
	*httptest.Server
	service *Service
	KeyIDs  []string

	Claims func(map[string]any)                                                 // changes the claims that are signed
	Token  func(sound string) string                                            // changes the token
	Answer func(w http.ResponseWriter, r *http.Request, token string) (ok bool) // answers in its own way

	mu     sync.Mutex
	tokens int
}

// NewPod starts a pod with a new TLS key, which ends with the test. The options change its TLS.
func (s *Service) NewPod(t T, page http.Handler, options ...func(*tls.Config)) *Pod {
	t.Helper()
	p := &Pod{service: s, KeyIDs: []string{KeyID("demo")}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+attested.Path, func(w http.ResponseWriter, r *http.Request) { p.attest(t, w, r) })
	mux.Handle("/", page)
	p.Server = httptest.NewUnstartedServer(mux)
	p.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{NewCertificate(t, nil, nil)}}
	for _, option := range options {
		option(p.TLS)
	}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// Address is the pod's HOST:PORT.
func (p *Pod) Address() string { return p.Listener.Addr().String() }

// Tokens is how many tokens the pod got.
func (p *Pod) Tokens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

// KeyID returns an id as a thumbprint would look.
func KeyID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *Pod) attest(t T, w http.ResponseWriter, r *http.Request) {
	data := attested.RuntimeData{KeyHash: attested.KeyHash(p.Certificate()), KeyIDs: p.KeyIDs}
	if nonce := r.URL.Query().Get("nonce"); nonce != "" && r.TLS.Version == tls.VersionTLS13 {
		bound, err := attested.BindNonce(nonce, r.TLS)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		data.Nonces = []string{bound}
	}
	p.mu.Lock()
	p.tokens++
	p.mu.Unlock()
	runtime := make(map[string]any)
	text, err := json.Marshal(data)
	if err != nil || json.Unmarshal(text, &runtime) != nil {
		t.Errorf("marshalling runtime data: %v", err)
	}
	claims := p.service.Claims(runtime)
	if p.Claims != nil {
		p.Claims(claims)
	}
	token := p.service.Sign(t, claims)
	if p.Token != nil {
		token = p.Token(token)
	}
	if p.Answer == nil || !p.Answer(w, r, token) {
		write(t, w, map[string]any{"version": 1, "token": token})
	}
}

// NewCertificate returns a self-signed certificate for localhost and 127.0.0.1. A nil key means a new P-256 key.
func NewCertificate(t T, key any, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pod"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	var public any
	switch private := key.(type) {
	case nil:
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, public = made, &made.PublicKey
	case *ecdsa.PrivateKey:
		public = &private.PublicKey
	case *rsa.PrivateKey:
		public = &private.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func write(t T, w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		t.Logf("writing a response: %v", err) // the client may have gone
	}
}
