package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/crypto/bcrypt"
)

// guarded is the settings of a page over TLS with a sign-in, as files, and how to trust it.
type guarded struct {
	settings []string
	client   *http.Client // trusts the certificate
	pin      string       // of the certificate's key, as Chromium takes it
}

func newGuarded(t *testing.T, name, password string) guarded {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "page"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var settings []string
	for variable, text := range map[string]string{
		"WEB_TLS_CERT_FILE": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"WEB_TLS_KEY_FILE":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		"WEB_USERS_FILE":    name + ":" + string(hash) + "\n",
	} {
		path := filepath.Join(dir, variable)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		settings = append(settings, variable+"="+path)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	pin := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return guarded{settings, client, base64.StdEncoding.EncodeToString(pin[:])}
}

// status is what a request gets; 0 where nothing answers.
func (g guarded) status(t *testing.T, url, name, password string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		req.SetBasicAuth(name, password)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Without this the page would be readable by everyone where it should not be, or by nobody: what works for programs may
// not work in a browser, whose script cannot set a header on its stream, and which opens six connections at most.
func TestSignInOverTLSInChromium(t *testing.T) {
	need(t, chromium)
	const name, password = "alice", "canary-password"
	c, key := broker(t, 1), newKey(t)
	_, sidecarURL := sidecar(t, key)
	g := newGuarded(t, name, password)
	address, metrics := freeAddr(t), freeAddr(t)
	process := start(t, "consume", nil, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + topic, "WEB_ADDR=" + address, "METRICS_ADDR=" + metrics,
		"SkrClientKID=" + keyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL=" + sidecarURL,
	}, g.settings...)...)
	p := &pod{t: t, page: "https://" + address, metrics: "http://" + metrics, log: process.log, stop: process.end}
	p.wait("the page asks to sign in", func() bool { return g.status(t, p.page, "", "") == http.StatusUnauthorized })
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if p.get(p.metrics+path) == nil {
			t.Errorf("%s does not answer as before", path)
		}
	}

	chromium := browser(t, chromedp.Flag("ignore-certificate-errors-spki-list", g.pin))
	window := func(url string) *tab {
		t.Helper()
		// A window each, since a tab behind another one is hidden, and may rest.
		ctx, end := chromedp.NewContext(chromium, chromedp.WithNewWindow(true))
		t.Cleanup(end)
		if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
			t.Logf("opening a page: %v", err) // a refusal is one, too
		}
		return &tab{t, ctx}
	}
	// shows waits for a text on a page. Chromium drops what it is loading when the machine's networks change, as with
	// each container that starts beside it: so the page is opened again now and then.
	shows := func(page *tab, url, selector, text string) {
		t.Helper()
		opened := time.Now()
		p.wait(fmt.Sprintf("%s shows %q", selector, text), func() bool {
			if time.Since(opened) > 20*time.Second {
				_ = chromedp.Do(page.ctx, chromedp.Navigate(url)) //nolint:errcheck // what is on the page is looked at
				opened = time.Now()
			}
			return strings.Contains(page.text(selector), text)
		})
	}
	if text := window(p.page).text("body"); strings.Contains(text, "Confidential Containers") {
		t.Errorf("without signing in there is: %s", text)
	}
	if text := window(fmt.Sprintf("https://%s:wrong@%s/", name, address)).text("body"); strings.Contains(text, "Confidential Containers") {
		t.Errorf("with a wrong password there is: %s", text)
	}
	// As a person who types both into the browser's own question. From here on the browser knows them.
	typed := fmt.Sprintf("https://%s:%s@%s/", name, password, address)
	shows(window(typed), typed, "body", "Confidential Containers")
	tabs := make([]*tab, 8)
	for i := range tabs {
		tabs[i] = window(p.page)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("page %d: %s", i+1, tabs[i].text("body"))
			}
		})
	}
	for i, page := range tabs {
		shows(page, p.page, "#live", "Live")
		if protocol := looked[string](page, "performance.getEntriesByType('navigation')[0].nextHopProtocol"); protocol != "h2" {
			t.Errorf("page %d came over %q", i+1, protocol)
		}
	}
	write(t, c, 0, encrypt(t, key, "while all were open"))
	for _, page := range tabs {
		shows(page, p.page, "#rows", "while all were open")
	}
	if text := tabs[0].text("footer"); strings.Contains(text, "no sign-in") {
		t.Errorf("the page says that it is open: %s", text)
	}
	started := time.Now()
	p.stop()
	t.Logf("ended with %d open streams in %v", len(tabs), time.Since(started))
	if log := p.log.String(); !strings.Contains(log, "the page is protected") || strings.Contains(log, password) || strings.Contains(log, "while all were open") {
		t.Errorf("the log: %s", log)
	}
}

// Without this a page that was to be protected would be started open, or one slip after the other would cost a restart.
func TestConsumerRefusesWrongSettings(t *testing.T) {
	program := build(t, "consume")
	for name, test := range map[string]struct {
		settings, args []string
		code           int
		want           []string
	}{
		"access":           {[]string{"WEB_ADDR=canary", "METRICS_ADDR=canary", "WEB_USERS_FILE=/canary", "WEB_TLS_CERT_FILE=/canary"}, nil, 2, []string{"WEB_ADDR: ", "METRICS_ADDR: ", "WEB_USERS_FILE: ", "WEB_TLS_CERT_FILE: ", "WEB_TLS_KEY_FILE: "}},
		"no address":       {[]string{"WEB_ADDR="}, nil, 2, []string{"WEB_ADDR: want HOST:PORT"}},
		"an argument":      {[]string{"WEB_ADDR=canary"}, []string{"check", "canary"}, 2, []string{"arguments: got 2", "WEB_ADDR: "}},
		"nothing to check": {[]string{"METRICS_ADDR="}, []string{"-check"}, 1, []string{"METRICS_ADDR is empty"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, program, test.args...)
		cmd.Env = test.settings
		out, err := cmd.CombinedOutput()
		cancel()
		if cmd.ProcessState.ExitCode() != test.code {
			t.Errorf("%s: %v, want exit status %d", name, err, test.code)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: want %q in: %s", name, want, out)
			}
		}
		if strings.Contains(string(out), "canary") {
			t.Errorf("%s: a value is in: %s", name, out)
		}
	}
}

// Without this a person would not learn from the log that everyone can read the page, or that no key is asked for.
func TestOpenPageSaysSo(t *testing.T) {
	c := broker(t, 1)
	address := freeAddr(t)
	process := start(t, "consume", nil, "BROKERS="+strings.Join(c.ListenAddrs(), ","), "TOPIC="+topic, "WEB_ADDR="+address, "METRICS_ADDR=")
	p := &pod{t: t, page: "http://" + address, log: process.log}
	p.wait("the log says both", func() bool {
		return strings.Contains(p.log.String(), "whoever reaches the page reads the messages") && strings.Contains(p.log.String(), "no key is asked for")
	})
	p.wait("the page says it", func() bool { return strings.Contains(string(p.get(p.page)), "no sign-in and no TLS") })
	process.end()
}
