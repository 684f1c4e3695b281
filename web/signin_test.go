package web

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func newSignIn(t *testing.T) *house {
	t.Helper()
	return newHouse(t, func(a *Access, dir string) {
		a.UsersFile = put(t, dir, "users", hashed(t, "alice", "right: ü")+hashed(t, "bob", "bob's"))
	})
}

// Without this the messages would be there for everyone, or for nobody.
func TestSignIn(t *testing.T) {
	h := newSignIn(t)
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
		for _, path := range []string{"/", "/api/records", "/api/events", "/static/app.js"} {
			if test.want == http.StatusOK && path == "/api/events" {
				continue // it has no end
			}
			resp, err := h.ask(h.client(), path, test.name, test.password)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.want {
				t.Errorf("%s %s with %q: got %d, want %d", test.name, path, test.password, resp.StatusCode, test.want)
			}
			if asks := strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic "); asks != (test.want == http.StatusUnauthorized) {
				t.Errorf("%s %s: a browser is asked to sign in: %v (%s)", test.name, path, asks, resp.text)
			}
			if resp.Header.Get("Content-Security-Policy") == "" {
				t.Error("a refusal lacks the headers of the page")
			}
			h.door.tries = newThrottle() // each on its own
		}
	}
}

// Without this each request of a page would cost a core for a quarter of a second.
func TestPasswordIsCheckedOncePerConnection(t *testing.T) {
	h := newSignIn(t)
	client := h.client()
	h.status(client, "alice", "right: ü", http.StatusOK)
	h.door.desk <- struct{}{} // from here on no password can be checked
	for range 20 {
		h.status(client, "alice", "right: ü", http.StatusOK)
	}
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		if resp, err := h.ask(h.client(), "/", "alice", "right: ü"); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("got %d, %v", resp.StatusCode, err)
		}
	}()
	select {
	case <-checked:
		t.Error("another connection gets in without a check")
	case <-time.After(50 * time.Millisecond):
	}
	<-h.door.desk
	<-checked
}

// Without this somebody could try passwords until one is right.
func TestWrongPasswordsAreThrottled(t *testing.T) {
	h := newSignIn(t)
	now := time.Now()
	h.door.tries.now = func() time.Time { return now }
	inside := h.client()
	h.status(inside, "alice", "right: ü", http.StatusOK)
	for i := range freeFailures {
		h.status(h.client(), "alice", "wrong "+strconv.Itoa(i), http.StatusUnauthorized)
	}
	resp := h.status(h.client(), "alice", "wrong again", http.StatusTooManyRequests)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 10 {
		t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
	}
	// Else the answer would tell that a guess was right.
	h.status(h.client(), "alice", "right: ü", http.StatusTooManyRequests)
	h.status(h.client(), "bob", "bob's", http.StatusTooManyRequests) // from the same address
	// Who is in stays in.
	h.status(inside, "alice", "right: ü", http.StatusOK)
	h.status(inside, "alice", "wrong", http.StatusTooManyRequests)
	now = now.Add(failureFades + time.Second)
	h.status(h.client(), "alice", "right: ü", http.StatusOK)
	if log := h.log.String(); strings.Contains(log, "wrong") || strings.Contains(log, "right:") {
		t.Errorf("a password is in the log: %s", log)
	}
}

// Without this a person behind one address would be shut out by another one, or a guesser with many addresses would
// have no limit.
func TestThrottleCountsAddressesAndNames(t *testing.T) {
	now := time.Now()
	tries := newThrottle()
	tries.now = func() time.Time { return now }
	for range freeFailures {
		if tries.wait("address a", "name n") != 0 {
			t.Fatal("a try within the limit has to wait")
		}
		tries.failed("address a", "name n")
	}
	for name, test := range map[string]struct {
		keys []string
		free bool
	}{
		"same": {[]string{"address a", "name n"}, false}, "same address": {[]string{"address a", "name m"}, false},
		"same name": {[]string{"address b", "name n"}, false}, "others": {[]string{"address b", "name m"}, true},
	} {
		if got := tries.wait(test.keys...); (got == 0) != test.free || got > failureFades {
			t.Errorf("%s: waits %v", name, got)
		}
	}
	now = now.Add(failureFades)
	if got := tries.wait("address a"); got != 0 {
		t.Errorf("after one was forgotten: waits %v", got)
	}
	for remote, want := range map[string]string{
		"10.0.0.1:1": "10.0.0.1", "[::ffff:10.0.0.1]:1": "10.0.0.1", "[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::2:1]:9": "2001:db8::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "?": "?",
	} {
		if got := network(remote); got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
	}
}

// Without this who was taken out of the file would go on reading, on a page that is open.
func TestRemovedUserIsOut(t *testing.T) {
	h := newSignIn(t)
	client := h.client()
	h.status(client, "alice", "right: ü", http.StatusOK)
	ended := make(chan error, 1)
	go func() {
		_, err := h.ask(client, "/api/events", "alice", "right: ü")
		ended <- err
	}()
	for h.hub.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	put(t, h.dir, "users", hashed(t, "bob", "bob's"))
	h.look()
	if err := <-ended; err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	h.status(client, "alice", "right: ü", http.StatusUnauthorized)
	put(t, h.dir, "users", "bob:no hash\n")
	h.look()
	h.status(h.client(), "bob", "bob's", http.StatusOK) // the users before stay
	if log := h.log.String(); !strings.Contains(log, "line 1: ") || strings.Contains(log, "no hash") {
		t.Errorf("the log: %s", log)
	}
}
