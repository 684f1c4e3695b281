package web

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// bothWays serves a page at a plain and at an attested address.
func bothWays(t *testing.T, settings access.Settings, ready *bool) (plain, attested string) {
	t.Helper()
	key, err := access.NewAttestedKey(settings.Hosts)
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Options{
		Feed:   feed.New(10),
		Key:    func() podstatus.Key { return podstatus.Key{State: podstatus.KeyReleased, Verify: "az rest"} },
		Kafka:  func() podstatus.Kafka { return podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t"} },
		Access: settings, Registerer: prometheus.NewRegistry(),
		Attested: &Attested{
			Key: key, Ready: func() bool { return *ready },
			Document: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the document") }), //nolint:errcheck // the client compares it
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(wrap func(net.Listener) net.Listener) string {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		httpServer, served := server.HTTPServer(), make(chan error, 1)
		go func() { served <- httpServer.Serve(wrap(listener)) }()
		t.Cleanup(func() { _ = httpServer.Close(); <-served })
		return listener.Addr().String()
	}
	return "http://" + serve(server.Listener), "https://" + serve(server.AttestedListener)
}

func visit(t *testing.T, method, url, host string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// A viewer would copy a command to which nothing answers, or that lacks what it needs.
func TestVerifyCommandHasThePort(t *testing.T) {
	s := newSite(t, 10)
	s.hosts = []string{"pod.example"}
	for _, test := range []struct{ addr, command, want, source string }{
		{":3443", "", "verify -policy FILE https://pod.example:3443", "The port is the pod's own"},
		{"127.0.0.1:443", "", "verify -policy FILE https://pod.example", "The port is the pod's own"},
		{":3443", "verify -ca F https://pod.example\u202e", "verify -ca F https://pod.example⟨U+202E⟩", "from this pod's settings"},
	} {
		s.attested = &Attested{Addr: test.addr, Command: test.command, Ready: func() bool { return true }}
		for _, path := range []string{"/", "/proof"} {
			if text := s.doc(t, path).Text(); !strings.Contains(text, test.want+"Copy") && !strings.Contains(text, test.want+"\n") || !strings.Contains(text, test.source) {
				t.Errorf("%s, %s: %s does not say %s and %s: %s", test.addr, test.command, path, test.want, test.source, text)
			}
		}
	}
}

// A viewer would believe that a connection is safe which is not, or would verify the host that an attacker names.
func TestThePageSaysWhichWayTheViewerCame(t *testing.T) {
	ready := true
	plain, attested := bothWays(t, access.Settings{Hosts: []string{"2001:db8::1", "127.0.0.1", "evil.example"}}, &ready)
	const command, ends, anyone = "verify -policy FILE https://[2001:db8::1]</code>", "This connection ends in the attested pod.", "Anyone on the way can read and change this page."
	for name, test := range map[string]struct {
		url, host    string
		ready        bool
		want, others []string
	}{
		"plain":                  {plain + "/", "", true, []string{anyone, "Use the attested address", command, "no sign-in and no TLS"}, []string{ends, "az rest"}},
		"plain, no attestation":  {plain + "/", "", false, []string{anyone, "az rest"}, []string{ends, command}},
		"attested":               {attested + "/", "", true, []string{ends, command, "not from here", "This page has no sign-in: "}, []string{anyone, "az rest", "no TLS"}},
		"a Host header":          {attested + "/", "evil.example", true, []string{ends, command}, []string{"evil"}},
		"in Japanese":            {attested + "/?lang=ja", "", true, []string{"構成証明されたポッド内で終端", command}, nil},
		"no attestation":         {attested + "/", "", false, []string{"there is no attestation", "az rest"}, []string{ends, anyone, command}},
		"proof, plain":           {plain + "/proof", "", true, []string{command, "az rest"}, nil},
		"proof, in Japanese":     {attested + "/proof?lang=ja", "", true, []string{command, "解放ポリシーに指定されたプログラム"}, nil},
		"proof, no attestation":  {attested + "/proof", "", false, []string{command}, nil}, // the command then says so
		"proof of a Host header": {plain + "/proof", "evil.example", true, []string{command}, []string{"evil"}},
	} {
		ready = test.ready
		status, text := visit(t, http.MethodGet, test.url, test.host)
		if status != http.StatusOK {
			t.Fatalf("%s: got %d %s", name, status, text)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
		for _, other := range test.others {
			if strings.Contains(text, other) {
				t.Errorf("%s: the page holds %q", name, other)
			}
		}
	}
}

// A viewer could not verify the page before giving it a password, or one on the way could answer in the pod's name.
func TestDocumentIsForEverybodyAtTheAttestedAddress(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	ready, users := true, filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, append([]byte("alice:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, attested := bothWays(t, access.Settings{AttestedAddr: "127.0.0.1:1", Hosts: []string{"127.0.0.1"}, UsersFile: users}, &ready)
	open, _ := bothWays(t, access.Settings{Hosts: []string{"127.0.0.1"}}, &ready)
	const path = "/.well-known/attestation"
	for name, test := range map[string]struct {
		method, url, host string
		status            int
		text              string
	}{
		"the document":     {http.MethodGet, attested + path, "", http.StatusOK, "the document"},
		"the page":         {http.MethodGet, attested + "/", "", http.StatusUnauthorized, "password"},
		"below it":         {http.MethodGet, attested + path + "/", "", http.StatusUnauthorized, "password"},
		"another host":     {http.MethodGet, attested + path, "evil.example", http.StatusMisdirectedRequest, "host name"},
		"another method":   {http.MethodPost, attested + path, "", http.StatusMethodNotAllowed, "GET"},
		"at the plain one": {http.MethodGet, open + path, "", http.StatusNotFound, "nothing at this address"},
	} {
		if status, text := visit(t, test.method, test.url, test.host); status != test.status || !strings.Contains(text, test.text) {
			t.Errorf("%s: got %d %q", name, status, text)
		}
	}
	for n := range 1000 {
		if status, _ := visit(t, http.MethodGet, attested+path, ""); status == http.StatusTooManyRequests {
			return
		} else if n == 999 {
			t.Error("one address may ask without end")
		}
	}
}
