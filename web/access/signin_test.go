package access

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func serveUsers(t *testing.T) *server {
	t.Helper()
	return serve(t, func(a *Settings, dir string) {
		a.UsersFile = put(t, dir, "users", hashed(t, "alice", "right: ü")+hashed(t, "bob", "bob's"))
	})
}

// Without this everybody could read the messages, or nobody.
func TestSignIn(t *testing.T) {
	s := serveUsers(t)
	for _, test := range []struct {
		name, password string
		want           int
	}{
		{"", "", http.StatusUnauthorized},
		{"alice", "wrong", http.StatusUnauthorized},
		{"alice", "", http.StatusUnauthorized},
		{"alice", "bob's", http.StatusUnauthorized},
		{"nobody", "right: ü", http.StatusUnauthorized},
		{"nobody", "bob's", http.StatusUnauthorized},
		{"Alice", "right: ü", http.StatusUnauthorized},
		{"alice", "right: ü", http.StatusOK},
		{"bob", "bob's", http.StatusOK},
	} {
		for _, path := range []string{"/", "/events"} {
			if test.want == http.StatusOK && path == "/events" {
				continue // the stream does not end
			}
			resp, err := s.get(s.client(), path, test.name, test.password)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.want {
				t.Errorf("%s %s with %q: got %d, want %d", test.name, path, test.password, resp.StatusCode, test.want)
			}
			if asks := strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic "); asks != (test.want == http.StatusUnauthorized) {
				t.Errorf("%s %s: a browser is asked to sign in: %v (%s)", test.name, path, asks, resp.text)
			}
			s.passwords = newThrottle(freeFailures, failureFades) // so that no test throttles the next
		}
	}
}

// Without this each request of a page would take a core for a quarter of a second.
func TestPasswordIsCheckedOncePerConnection(t *testing.T) {
	s := serveUsers(t)
	client := s.client()
	s.status(client, "alice", "right: ü", http.StatusOK)
	s.bcryptSem <- struct{}{} // no password can be checked from here on
	for range 20 {
		s.status(client, "alice", "right: ü", http.StatusOK)
	}
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		if resp, err := s.get(s.client(), "/", "alice", "right: ü"); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("got %d, %v", resp.StatusCode, err)
		}
	}()
	select {
	case <-checked:
		t.Error("another connection is signed in without a check of its password")
	case <-time.After(50 * time.Millisecond):
	}
	<-s.bcryptSem
	<-checked
}

// Without this an attacker could try passwords until one is right.
func TestWrongPasswordsAreThrottled(t *testing.T) {
	s := serveUsers(t)
	now := time.Now()
	s.passwords.now = func() time.Time { return now }
	inside := s.client()
	s.status(inside, "alice", "right: ü", http.StatusOK)
	for i := range freeFailures {
		s.status(s.client(), "alice", "wrong "+strconv.Itoa(i), http.StatusUnauthorized)
	}
	resp := s.status(s.client(), "alice", "wrong again", http.StatusTooManyRequests)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 10 {
		t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
	}
	// Otherwise the answer would reveal that a guess is right.
	s.status(s.client(), "alice", "right: ü", http.StatusTooManyRequests)
	s.status(s.client(), "bob", "bob's", http.StatusTooManyRequests) // from the same address
	// Connections that are signed in stay so.
	s.status(inside, "alice", "right: ü", http.StatusOK)
	s.status(inside, "alice", "wrong", http.StatusTooManyRequests)
	now = now.Add(failureFades + time.Second)
	s.status(s.client(), "alice", "right: ü", http.StatusOK)
	if log := s.log.String(); strings.Contains(log, "wrong") || strings.Contains(log, "right:") {
		t.Errorf("a password is in the log: %s", log)
	}
}

// Without this a user who was removed from the file could go on reading on an open page.
func TestRemovedUserIsOut(t *testing.T) {
	s := serveUsers(t)
	client := s.client()
	s.status(client, "alice", "right: ü", http.StatusOK)
	ended := make(chan error, 1)
	go func() {
		_, err := s.get(client, "/events", "alice", "right: ü")
		ended <- err
	}()
	for s.streams.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	put(t, s.dir, "users", hashed(t, "bob", "bob's"))
	s.reloadFiles()
	if err := <-ended; err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	s.status(client, "alice", "right: ü", http.StatusUnauthorized)
	put(t, s.dir, "users", "bob:no hash\n")
	s.reloadFiles()
	s.status(s.client(), "bob", "bob's", http.StatusOK) // the users of before stay in use
	if log := s.log.String(); !strings.Contains(log, "line 1: ") || strings.Contains(log, "no hash") {
		t.Errorf("the log does not name the wrong line, or quotes it: %s", log)
	}
}

// Without this the log could name as the viewer who takes records away whatever an unchecked request says, or nobody.
func TestViewerIsWhoWasChecked(t *testing.T) {
	friends := newAuthority(t, "friends")
	byCertificate := serve(t, func(a *Settings, dir string) { a.ClientCAFile = put(t, dir, "clients.pem", friends.pem()) })
	for name, test := range map[string]struct {
		server *server
		client *http.Client
		want   string
	}{
		"signed in":   {serveUsers(t), nil, "bob|"},
		"certificate": {byCertificate, byCertificate.client(friends.pair("carol")), "|CN=carol"},
		"nobody asks": {serve(t, nil), nil, "|"},
	} {
		client := test.client
		if client == nil {
			client = test.server.client()
		}
		if got, err := test.server.get(client, "/viewer", "bob", "bob's"); err != nil || got.Header.Get("Viewer") != test.want {
			t.Errorf("%s: got %d %s, %v, want %s", name, got.StatusCode, got.Header.Get("Viewer"), err, test.want)
		}
	}
}
