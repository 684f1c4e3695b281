package story_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/env"
	protocol "kafka-e2ee/skrclient/attested"
)

// Without this the command that the demo prints could call a page trustworthy that is somebody else's, or be of no use.
func TestVerifyTheLab(t *testing.T) {
	for scenario, want := range map[string]struct {
		state  string // of the key
		status int
		says   string
	}{
		"":         {"released", 0, "Verified: https://localhost:"},
		"impostor": {"released", 1, "REFUSED  the certificate's key is not the attested one"},
		"tampered": {"refused", 1, "(x-ms-sevsnpvm-hostdata)"},
		"debug":    {"refused", 1, "(x-ms-sevsnpvm-is-debuggable)"},
		"ordinary": {"unreachable", 1, "REFUSED  no attestation"},
	} {
		t.Run("scenario "+scenario, func(t *testing.T) {
			t.Parallel()
			d := harness.StartLab(t, scenario, envelope.FormatRSA)
			d.Confidential.Wait("the key's state is known", func() bool { return d.Confidential.KeyState() == want.state })
			status, said := harness.Verify(t, nil, d.VerifyArgs(t)...)
			refusal := said[max(0, strings.Index(said, "REFUSED")):]
			if status != want.status || !strings.Contains(refusal, want.says) {
				t.Errorf("exit status %d, want %d and %q:\n%s", status, want.status, want.says, said)
			}
			if scenario == "impostor" {
				page := unverified(t, "https://"+d.Attested+"/")
				for _, words := range []string{"This connection ends in the attested pod.", "Key released after attestation"} {
					if !strings.Contains(page, words) {
						t.Errorf("the impostor's page lacks %q: it would not show that only verify notices", words)
					}
				}
			}
		})
	}
}

// Without this a viewer could not verify a pod after a rotation or a restart, or would see the page of another program
// that answers at its address.
func TestVerifyFollowsThePod(t *testing.T) {
	t.Parallel()
	w := startWorkload(t)
	p := harness.Consume(t, w.settings)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	first := w.verified(t)
	if err := w.env.Rotate(); err != nil {
		t.Fatal(err)
	}
	checkAgain(t, p)
	second := w.verified(t)
	if first.SPKI != second.SPKI || len(second.KeyIDs) != 2 {
		t.Errorf("a rotation: key %s became %s, with the keys %v", first.SPKI, second.SPKI, second.KeyIDs)
	}

	shown := openVerified(t, w)
	if status, page := shown(); status != http.StatusOK || !strings.Contains(page, "This connection ends in the attested pod.") {
		t.Fatalf("the verified page: %d %s", status, page)
	}
	p.Stop()
	if err := w.env.Sidecar.Stop(); err != nil {
		t.Fatal(err)
	}
	again := harness.Consume(t, w.settings)
	if status, page := shown(); status != http.StatusBadGateway || strings.Contains(page, "<html") {
		t.Errorf("a program that is not attested: %d %s", status, page)
	}
	if err := w.env.Sidecar.Start(); err != nil {
		t.Fatal(err)
	}
	checkAgain(t, again)
	again.Wait("the key is released", func() bool { return again.KeyState() == "released" })
	if third := w.verified(t); third.SPKI == first.SPKI {
		t.Error("a restarted pod has the TLS key of before: it was kept somewhere")
	}
	harness.Eventually(t, "the page is shown once it is verified again", func() bool { status, _ := shown(); return status == http.StatusOK })
}

// Without this a crowd of viewers could keep the hardware busy, or one of them could be left without an answer.
func TestHundredViewersShareTwoAttestations(t *testing.T) {
	t.Parallel()
	w := startWorkload(t)
	p := harness.Consume(t, w.settings)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	// The connections first: then everybody asks at once, and not while the others still connect.
	viewers := make([]*viewer, 100)
	for i := range viewers {
		viewers[i] = connect(t, w.settings.Access.AttestedAddr)
	}
	viewers[0].token(t) // the pod is then attested, and not again in the next seconds
	before, begun := attestations(t, p), time.Now()
	tokens := make(map[string]int)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, v := range viewers {
		asking.Go(func() {
			token := v.token(t)
			mu.Lock()
			defer mu.Unlock()
			tokens[token]++
		})
	}
	asking.Wait()
	// Two, as an attestation serves 64. On a slow machine viewers come later than the others, and there is time for more.
	most := 2 + int(time.Since(begun)/(10*time.Second))
	if made := attestations(t, p) - before; made < 2 || made > most || len(tokens) < 2 || len(tokens) > made {
		t.Errorf("%d attestations gave %d tokens, want 2 to %d", made, len(tokens), most)
	}
}

// Without this a viewer who verifies the page could delay the key, and with it every message.
func TestKeyReleaseGoesBeforeViewers(t *testing.T) {
	t.Parallel()
	w := startWorkload(t)
	gate := newGate(t, w.env.Sidecar.URL())
	cfg := w.settings
	cfg.Keys.SkrURL = gate.url
	p := harness.Consume(t, cfg)
	p.Wait("the key is released while an attestation hangs", func() bool { return p.KeyState() == "released" })
	answered := make(chan string, 1)
	v := connect(t, cfg.Access.AttestedAddr)
	go func() { answered <- v.token(t) }()
	checkAgain(t, p)
	harness.Eventually(t, "the key is asked for again while a viewer waits", func() bool { return gate.released.Load() >= 2 })
	select {
	case token := <-answered:
		t.Fatalf("got the token %s, but the sidecar attests nothing", token)
	default:
	}
	gate.open()
	if token := <-answered; token == "" {
		t.Error("the viewer got nothing after the release")
	}
}

// Without this the TLS key could end up in a file, from which whoever reads it could impersonate the page.
func TestTLSKeyIsWrittenNowhere(t *testing.T) {
	t.Parallel()
	w, dir := startWorkload(t), t.TempDir()
	p, process := harness.StartConsumer(t, harness.Broker(t, 1), w.settings.Keys.SkrURL,
		"SkrClientKID="+env.KeyName, "SkrClientMAAEndpoint="+w.settings.Keys.MAAEndpoint, "ATTESTATION_CA_FILE="+w.settings.Keys.AttestationCAFile,
		"SkrClientAKVEndpoint="+w.settings.Keys.AKVEndpoint, "WEB_ATTESTED_ADDR="+w.settings.Access.AttestedAddr, "WEB_HOSTS=127.0.0.1", "TMPDIR="+dir, "HOME="+dir)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	w.verified(t)
	for _, path := range []string{"/", "/proof", "/api/key", "/api/key/evidence"} {
		page := unverified(t, w.address()+path)
		if page == "" {
			t.Errorf("%s is empty", path)
		}
		harness.NoSecrets(t, path, page)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the program wrote %v, %v", files, err)
	}
	for _, file := range openFiles(t, process.Process.Pid) {
		t.Errorf("the program holds the file %s open", file)
	}
}

// openFiles returns the files on disks that a process has open; none on systems without /proc.
func openFiles(t *testing.T, pid int) (open []string) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // proc_pid_fd(5)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if info, err := os.Stat(link); err == nil && info.Mode().IsRegular() {
			target, err := os.Readlink(link)
			if err == nil && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/sys/") { // otherwise it was closed, or is in the kernel
				open = append(open, target)
			}
		}
	}
	return open
}

// workload is the cloud of a pod with an attested address.
type workload struct {
	env      *env.Environment
	settings consumer.Config
	flags    []string // of verify
}

func startWorkload(t *testing.T) *workload {
	t.Helper()
	dir, maa := t.TempDir(), "localhost:"+strconv.Itoa(harness.FreePort(t))
	e, err := env.New(t.Context(), env.Config{
		AttestationHost: maa, VaultHost: harness.VaultHost, Listen: maa, SidecarAddr: "127.0.0.1:0", PublicDir: dir, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := e.Prepare(1); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	cfg := harness.Settings(t, harness.Broker(t, 1).ListenAddrs(), e.Sidecar.URL())
	cfg.Keys.Names, cfg.Keys.MAAEndpoint, cfg.Keys.AKVEndpoint, cfg.Keys.AttestationCAFile = env.KeyName, maa, harness.VaultHost, file(env.AuthorityFile)
	cfg.Access.AttestedAddr, cfg.Access.Hosts = harness.FreeAddr(t), []string{"127.0.0.1"}
	return &workload{e, cfg, []string{
		"-policy", file(env.PolicyFile), "-ca", file(env.AuthorityFile), "-key", file(env.PublicKeyFile),
	}}
}

func (w *workload) address() string { return "https://" + w.settings.Access.AttestedAddr }

// found is what verify finds out about a pod.
type found struct {
	SPKI   string   `json:"spki_sha256"`
	KeyIDs []string `json:"key_ids"`
}

// verified waits until the pod is verified, because its newest key may need a moment.
func (w *workload) verified(t *testing.T) (pod found) {
	t.Helper()
	harness.Eventually(t, "the pod is verified", func() bool {
		status, said := harness.Verify(t, nil, append([]string{"-json"}, append(slices.Clone(w.flags), w.address())...)...)
		return status == 0 && json.Unmarshal([]byte(said), &pod) == nil
	})
	return pod
}

// openVerified keeps verify -open running, and returns what a browser sees there.
func openVerified(t *testing.T, w *workload) (shown func() (status int, page string)) {
	t.Helper()
	first := harness.OpenVerified(t, append(slices.Clone(w.flags), w.address())...)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	u, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) (int, string) {
		resp, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body) //nolint:errcheck // it is cut off if the verification fails
		return resp.StatusCode, string(text)
	}
	get(first)
	return func() (int, string) { return get("http://" + u.Host + "/") }
}

// unverified returns a page over TLS whose key nobody compares.
func unverified(t *testing.T, address string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// viewer is a connection to an attested address, over which tokens are asked for.
type viewer struct {
	host   string
	client *http.Client
	state  tls.ConnectionState
}

func connect(t *testing.T, address string) *viewer {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conns := make(chan net.Conn, 1)
	conns <- conn
	v := &viewer{address, &http.Client{Transport: &http.Transport{
		DialTLS: func(string, string) (net.Conn, error) {
			select {
			case conn := <-conns:
				return conn, nil
			default:
				return nil, errors.New("the connection was closed")
			}
		},
	}}, conn.ConnectionState()}
	// The server closes a connection soon if no request comes.
	resp, err := v.client.Get("https://" + address + "/api/key")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return v
}

// token asks for a token with a nonce of its own until there is one, and checks that it is for this connection.
func (v *viewer) token(t *testing.T) string {
	nonce := protocol.NewNonce()
	bound, err := protocol.BindNonce(nonce, &v.state)
	if err != nil {
		t.Error(err)
		return ""
	}
	for {
		resp, err := v.client.Get("https://" + v.host + protocol.Path + "?nonce=" + nonce)
		if err != nil {
			t.Error(err)
			return ""
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if seconds, retry := strconv.Atoi(resp.Header.Get("Retry-After")); retry == nil && err == nil {
			time.Sleep(time.Duration(seconds) * time.Second)
			continue
		}
		token, err := protocol.ParseDocument(body)
		if err != nil {
			t.Errorf("got status %d and %s", resp.StatusCode, body)
			return ""
		}
		if !strings.Contains(payload(t, token), bound) {
			t.Error("the token is not for this connection")
		}
		return token
	}
}

// attestations returns how many attestations of the page succeeded.
func attestations(t *testing.T, p *harness.Pod) int {
	t.Helper()
	_, rest, found := strings.Cut(string(p.Get(p.Metrics+"/metrics")), `e2ee_page_attestations_total{outcome="made"} `)
	count, err := strconv.Atoi(strings.SplitN(rest, "\n", 2)[0])
	if !found || err != nil {
		t.Fatalf("no count of attestations: %v", err)
	}
	return count
}

// gate stands before a sidecar and holds back attestations until it is opened.
type gate struct {
	url      string
	released atomic.Int32
	opened   chan struct{}
}

func newGate(t *testing.T, sidecar string) *gate {
	t.Helper()
	target, err := url.Parse(sidecar)
	if err != nil {
		t.Fatal(err)
	}
	g, forward := &gate{opened: make(chan struct{})}, httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch r.URL.Path {
		case "/key/release":
			g.released.Add(1)
		case "/attest/maa":
			select {
			case <-g.opened:
			case <-r.Context().Done():
				return
			}
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// open lets attestations through from now on.
func (g *gate) open() { close(g.opened) }

// payload returns the claims of a token, unverified.
func payload(t *testing.T, token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("got %q, want a token", token)
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
