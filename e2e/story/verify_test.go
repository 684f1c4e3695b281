package story_test

import (
	"bufio"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	protocol "kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
	"kafka-e2ee/skrclient/policy"
)

// attestedPod serves a page whose TLS key the emulated hardware attests, and the emulated attestation service signs for.
func attestedPod(t *testing.T, c *cloud.Cloud, guest snp.Guest) (url, keyID string) {
	t.Helper()
	keyID = attestedtest.KeyID("demo")
	platform := c.Pod(guest, cloud.PodID)
	certificate := attestedtest.NewCertificate(t, nil, nil)
	var page *httptest.Server
	page = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bound, err := protocol.BindNonce(r.URL.Query().Get("nonce"), r.TLS)
		if err != nil {
			t.Error(err)
		}
		runtime, err := json.Marshal(protocol.RuntimeData{KeyHash: protocol.KeyHash(page.Certificate()), KeyIDs: []string{keyID}, Nonces: []string{bound}})
		if err != nil {
			t.Error(err)
		}
		made, err := platform.Attest(r.Context(), harness.AttestationHost, runtime)
		if err != nil {
			t.Error(err)
		}
		document, err := protocol.MarshalDocument(made.Token)
		if err != nil {
			t.Error(err)
		}
		if _, err := w.Write(document); err != nil {
			t.Logf("answering: %v", err)
		}
	}))
	page.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	page.StartTLS()
	t.Cleanup(page.Close)
	return page.URL, keyID
}

// webProxy is an HTTP proxy that reaches the emulated cloud by its host names, and counts what it is asked for.
type webProxy struct {
	url   string
	mu    sync.Mutex
	asked []string
}

func startWebProxy(t *testing.T, to string) *webProxy {
	t.Helper()
	p := &webProxy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.Host)
		p.mu.Unlock()
		onward, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer onward.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		go io.Copy(onward, bufio.NewReader(buffered)) //nolint:errcheck // ends with the connection
		_, _ = io.Copy(client, onward)                //nolint:errcheck // as above
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// Without this a viewer behind a proxy could not verify a page, or verify would trust one whose hardware, policy or key
// differs: the reports and signatures here are the emulated hardware's and attestation service's.
func TestVerifyWithSignedReports(t *testing.T) {
	c := harness.StartCloud(t, harness.VaultHost)
	guest := snp.Guest{SecurityPolicy: []byte(harness.MeasuredPolicy), Measurement: cloud.Measurement()}
	proxy := startWebProxy(t, c.Addr())
	text, err := json.Marshal(policy.ForWorkload(harness.AttestationHost, guest.HostData()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	policyFile, caFile := filepath.Join(dir, "policy.json"), filepath.Join(dir, "ca.pem")
	for file, content := range map[string][]byte{policyFile: text, caFile: c.Authority.PEM()} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(*snp.Guest)
		key    string
		status int
		says   string
	}{
		"genuine":        {status: 0, says: "Verified: "},
		"tampered":       {change: func(g *snp.Guest) { g.SecurityPolicy = []byte("another") }, status: 1, says: "REFUSED  the pod does not run the expected code (x-ms-sevsnpvm-hostdata): expected "},
		"debug":          {change: func(g *snp.Guest) { g.Debug = true }, status: 1, says: "REFUSED  debugging is not as the policy demands"},
		"another system": {change: func(g *snp.Guest) { g.Measurement = [48]byte{} }, status: 1, says: "REFUSED  the guest system is not the expected one (x-ms-compliance-status): expected azure-signed-katacc-uvm, got none"},
		"another key":    {key: attestedtest.KeyID("other"), status: 1, says: "REFUSED  the pod does not hold the expected key"},
	} {
		t.Run(name, func(t *testing.T) {
			guest := guest
			if test.change != nil {
				test.change(&guest)
			}
			url, key := attestedPod(t, c, guest)
			if test.key != "" {
				key = test.key
			}
			status, out := harness.Verify(t, []string{"HTTPS_PROXY=" + proxy.url, "HTTP_PROXY=" + proxy.url}, "-policy", policyFile, "-ca", caFile, "-key", key, url)
			if status != test.status || !strings.Contains(out, test.says) {
				t.Errorf("got status %d:\n%s", status, out)
			}
		})
	}
	if slices.Sort(proxy.asked); len(proxy.asked) == 0 || len(slices.Compact(proxy.asked)) != 1 || proxy.asked[0] != "CONNECT "+harness.AttestationHost+":443" {
		t.Errorf("the proxy was asked for %q, want the attestation service alone", proxy.asked)
	}
	hostData := guest.HostData()
	url, _ := attestedPod(t, c, guest)
	status, out := harness.Verify(t, nil, "-policy", policyFile, "-ca", caFile, url)
	if status != 2 || !strings.Contains(out, "the signing keys of https://"+harness.AttestationHost+" cannot be fetched (hint: ") {
		t.Errorf("without the proxy: got status %d:\n%s", status, out)
	}
	status, out = harness.Verify(t, []string{"HTTPS_PROXY=" + proxy.url}, "-policy", policyFile, url)
	if status != 2 || !strings.Contains(out, "-ca") {
		t.Errorf("without the roots: got status %d:\n%s", status, out)
	}
	status, out = harness.Verify(t, []string{"HTTPS_PROXY=" + proxy.url}, "-maa", harness.AttestationHost, "-hostdata", hex.EncodeToString(hostData[:]), "-ca", caFile, url)
	if status != 0 || !strings.Contains(out, "this code; which deployment it is is not shown") {
		t.Errorf("by host data: got status %d:\n%s", status, out)
	}
}
