package access

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Without this somebody on the way could read the page, or the seventh tab of a browser would hang, as with HTTP/1.1.
func TestTLS(t *testing.T) {
	s := serve(t, nil)
	client := s.client()
	resp := s.status(client, "", "", http.StatusOK)
	if resp.ProtoMajor != 2 || resp.TLS == nil || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("got HTTP/%d, %+v", resp.ProtoMajor, resp.TLS)
	}
	address := strings.TrimPrefix(s.url, "https://")
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", address, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is accepted")
	}
	plain, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(plain); err != nil || !strings.Contains(string(answer), "400 Bad Request") || strings.Contains(string(answer), "<html") {
		t.Errorf("a request without TLS gets %.100s, %v", answer, err)
	}
}

// Without this a renewed certificate would need a restart, and a mistake in renewing it would take the page down.
func TestFilesAreReloaded(t *testing.T) {
	s := serve(t, nil)
	serial := func() string {
		t.Helper()
		return s.status(s.client(), "", "", http.StatusOK).TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	s.reloadFiles()
	if strings.Contains(s.log.String(), "changed") {
		t.Errorf("the log says that unchanged files changed: %s", s.log)
	}
	cert, key := s.ca.good("renewed")
	put(t, s.dir, "cert.pem", cert) // the key is still the old one
	s.reloadFiles()
	s.reloadFiles()
	if serial() != first {
		t.Error("a certificate without its key is in use")
	}
	if log := s.log.String(); strings.Count(log, "cannot be used") != 1 || !strings.Contains(log, "WEB_TLS_KEY_FILE") || strings.Contains(log, s.dir) {
		t.Errorf("the log does not say once what is wrong: %s", log)
	}
	put(t, s.dir, "key.pem", key)
	s.reloadFiles()
	if serial() == first || !strings.Contains(s.log.String(), "are in use") {
		t.Errorf("the renewed certificate is not in use: %s", s.log)
	}
}

// Without this somebody without a certificate, or with one from an unknown root, could read the messages, or a viewer
// whose root was removed could go on reading.
func TestClientCertificates(t *testing.T) {
	friends, strangers := newAuthority(t, "friends"), newAuthority(t, "strangers")
	s := serve(t, func(a *Settings, dir string) { a.ClientCAFile = put(t, dir, "clients.pem", friends.pem()) })
	for name, client := range map[string]*http.Client{"without one": s.client(), "with a stranger's": s.client(strangers.pair("eve"))} {
		if resp, err := s.get(client, "/", "", ""); err == nil {
			t.Errorf("%s: got %d %.100s", name, resp.StatusCode, resp.text)
		}
	}
	friend := s.client(friends.pair("alice"))
	if resp := s.status(friend, "", "", http.StatusOK); resp.ProtoMajor != 2 {
		t.Errorf("got HTTP/%d", resp.ProtoMajor)
	}
	put(t, s.dir, "clients.pem", strangers.pem())
	s.reloadFiles()
	s.status(friend, "", "", http.StatusForbidden) // on a connection that was trusted
	if resp, err := s.get(friend, "/", "", ""); err == nil {
		t.Errorf("on a new connection: got %d %.100s", resp.StatusCode, resp.text)
	}
	s.status(s.client(strangers.pair("eve")), "", "", http.StatusOK)
}

// Without this a removed user could go on reading for as long as another file cannot be used.
func TestPartsAreReloadedSeparately(t *testing.T) {
	friends, strangers := newAuthority(t, "friends"), newAuthority(t, "strangers")
	s := serve(t, func(a *Settings, dir string) {
		a.UsersFile = put(t, dir, "users", hashed(t, "alice", "a")+hashed(t, "bob", "b"))
		a.ClientCAFile = put(t, dir, "clients.pem", friends.pem())
	})
	client := s.client(friends.pair("a friend"))
	s.status(client, "alice", "a", http.StatusOK)
	s.status(client, "bob", "b", http.StatusOK)
	unusable := func(want string) {
		t.Helper()
		got := ""
		for _, part := range []string{"certificate", "client_roots", "users"} {
			if testutil.ToFloat64(s.unusable.WithLabelValues(part)) != 0 {
				got += part + " "
			}
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("the metric says that %q cannot be used, want %q", got, want)
		}
	}
	unusable("")

	cert, key := s.ca.issue("page", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	put(t, s.dir, "cert.pem", cert)
	put(t, s.dir, "key.pem", key)
	put(t, s.dir, "users", hashed(t, "alice", "a"))
	s.reloadFiles()
	s.status(client, "bob", "b", http.StatusUnauthorized) // on a connection that was trusted
	s.status(client, "alice", "a", http.StatusOK)
	unusable("certificate")
	if log := s.log.String(); strings.Count(log, "expired on") != 1 || !strings.Contains(log, "part=certificate") {
		t.Errorf("the log does not say once what is wrong: %s", log)
	}

	put(t, s.dir, "clients.pem", strangers.pem())
	s.reloadFiles()
	s.status(client, "alice", "a", http.StatusForbidden)
	client = s.client(strangers.pair("a stranger"))
	s.status(client, "alice", "a", http.StatusOK)

	// A file that cannot be used lets in nobody, neither a new user nor a removed one.
	put(t, s.dir, "users", hashed(t, "bob", "b")+"mallory")
	cert, key = s.ca.good("renewed")
	put(t, s.dir, "cert.pem", cert)
	put(t, s.dir, "key.pem", key)
	put(t, s.dir, "clients.pem", "nothing")
	s.reloadFiles()
	unusable("client_roots users")
	again := s.client(strangers.pair("a stranger"))
	s.status(again, "bob", "b", http.StatusUnauthorized)
	if resp := s.status(again, "alice", "a", http.StatusOK); resp.TLS.PeerCertificates[0].Subject.CommonName != "renewed" {
		t.Errorf("the renewed certificate is not in use: %s", s.log)
	}
	if resp, err := s.get(s.client(friends.pair("a friend")), "/", "alice", "a"); err == nil {
		t.Errorf("a removed root is trusted again: %d", resp.StatusCode)
	}
}

// Without this a certificate that was saved on Windows could not be used.
func TestFilesFromWindows(t *testing.T) {
	windows := func(text string) string {
		return "\ufeff" + strings.TrimSuffix(strings.ReplaceAll(text, "\n", "\r\n"), "\n")
	}
	clients := newAuthority(t, "clients")
	s := serve(t, func(a *Settings, dir string) {
		for _, file := range []string{a.TLSCertFile, a.TLSKeyFile} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, filepath.Base(file), windows(string(text)))
		}
		a.ClientCAFile = put(t, dir, "clients.pem", windows(clients.pem()))
	})
	s.status(s.client(clients.pair("viewer")), "", "", http.StatusOK)
}

// Without this users and roots in the environment, which nobody can exchange, would let in nobody or everybody, or a
// reload of the certificate would drop them.
func TestInlineUsersAndRoots(t *testing.T) {
	friends, strangers := newAuthority(t, "friends"), newAuthority(t, "strangers")
	s := serve(t, func(a *Settings, _ string) { a.Users, a.ClientCA = hashed(t, "alice", "a"), friends.pem() })
	check := func() {
		t.Helper()
		friend := s.client(friends.pair("a friend"))
		s.status(friend, "alice", "a", http.StatusOK)
		s.status(friend, "alice", "b", http.StatusUnauthorized)
		if resp, err := s.get(s.client(strangers.pair("a stranger")), "/", "alice", "a"); err == nil {
			t.Errorf("a stranger's certificate gets %d", resp.StatusCode)
		}
	}
	check()
	if s.Public() {
		t.Error("the guard calls the page public")
	}
	cert, key := s.ca.good("renewed")
	put(t, s.dir, "cert.pem", cert)
	put(t, s.dir, "key.pem", key)
	s.reloadFiles()
	check()
}
