package browser_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/crypto/bcrypt"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
)

// guarded is a page over TLS with a sign-in: its settings, and how a client trusts it.
type guarded struct {
	settings []string
	client   *http.Client // trusts the certificate
	pin      string       // of the certificate's key, as Chromium takes it
}

func newGuarded(t *testing.T, name, password string) guarded {
	t.Helper()
	key := harness.NewECKey(t)
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
		"WEB_TLS_CERT_FILE": harness.PEM("CERTIFICATE", der),
		"WEB_TLS_KEY_FILE":  harness.PEM("PRIVATE KEY", secret),
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

// status returns the status of a request; 0 if nothing answers.
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

// Without this the page could be open to everyone, or to nobody: browser scripts cannot set a header on a stream, and a
// browser opens six connections at most.
func TestSignInOverTLSInChromium(t *testing.T) {
	harness.Require(t, harness.Chromium)
	const name, password = "alice", "canary-password"
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, sidecarURL := harness.Sidecar(t, key)
	g := newGuarded(t, name, password)
	address, metrics := harness.FreeAddr(t), harness.FreeAddr(t)
	process := harness.Start(t, "consume", nil, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + harness.Topic, "WEB_ADDR=" + address, "METRICS_ADDR=" + metrics,
		"SkrClientKID=" + harness.KeyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL=" + sidecarURL,
	}, g.settings...)...)
	p := &harness.Pod{T: t, Page: "https://" + address, Metrics: "http://" + metrics, Log: process.Log, Stop: process.Stop}
	p.Wait("the page asks to sign in", func() bool { return g.status(t, p.Page, "", "") == http.StatusUnauthorized })
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if p.Get(p.Metrics+path) == nil {
			t.Errorf("%s does not answer as before", path)
		}
	}

	chromium := chrome.Start(t, chromedp.Flag("ignore-certificate-errors-spki-list", g.pin))
	window := func(url string) *chrome.Tab {
		t.Helper()
		// Each page gets its own window, since a hidden tab may be suspended.
		ctx, end := chromedp.NewContext(chromium, chromedp.WithNewWindow(true))
		t.Cleanup(end)
		if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
			t.Logf("opening a page: %v", err) // a refusal is an error, too
		}
		return &chrome.Tab{T: t, Ctx: ctx}
	}
	// shows waits for a text on a page. Chromium drops what it is loading when the machine's networks change, as with
	// each new container, so the page is reopened now and then.
	shows := func(page *chrome.Tab, url, selector, text string) {
		t.Helper()
		opened := time.Now()
		p.Wait(fmt.Sprintf("%s shows %q", selector, text), func() bool {
			if time.Since(opened) > 20*time.Second {
				_ = chromedp.Do(page.Ctx, chromedp.Navigate(url)) //nolint:errcheck // what is on the page is looked at
				opened = time.Now()
			}
			return strings.Contains(page.Text(selector), text)
		})
	}
	if text := window(p.Page).Text("body"); strings.Contains(text, "Confidential Containers") {
		t.Errorf("without signing in there is: %s", text)
	}
	if text := window(fmt.Sprintf("https://%s:wrong@%s/", name, address)).Text("body"); strings.Contains(text, "Confidential Containers") {
		t.Errorf("with a wrong password there is: %s", text)
	}
	// A person types both into the browser's dialog. From here on the browser remembers them.
	typed := fmt.Sprintf("https://%s:%s@%s/", name, password, address)
	shows(window(typed), typed, "body", "Confidential Containers")
	tabs := make([]*chrome.Tab, 8)
	for i := range tabs {
		tabs[i] = window(p.Page)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("page %d: %s", i+1, tabs[i].Text("body"))
			}
		})
	}
	for i, page := range tabs {
		shows(page, p.Page, "#live", "Live")
		if protocol := chrome.Eval[string](page, "performance.getEntriesByType('navigation')[0].nextHopProtocol"); protocol != "h2" {
			t.Errorf("page %d came over %q", i+1, protocol)
		}
	}
	harness.Write(t, c, 0, harness.Encrypt(t, key, "while all were open"))
	for _, page := range tabs {
		shows(page, p.Page, "#rows", "while all were open")
	}
	if text := tabs[0].Text("footer"); strings.Contains(text, "no sign-in") {
		t.Errorf("the page says that it is open: %s", text)
	}
	started := time.Now()
	p.Stop()
	t.Logf("ended with %d open streams in %v", len(tabs), time.Since(started))
	if log := p.Log.String(); !strings.Contains(log, "the page is protected") || strings.Contains(log, password) || strings.Contains(log, "while all were open") {
		t.Errorf("the log: %s", log)
	}
}
