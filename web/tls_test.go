package web

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Without this a page that is meant to be read by nobody on the way would be served over a protocol that somebody can
// read, or a seventh tab would hang.
func TestTLS(t *testing.T) {
	h := newHouse(t, nil)
	client := h.client()
	resp := h.status(client, "", "", http.StatusOK)
	if resp.ProtoMajor != 2 || resp.TLS == nil || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("got HTTP/%d, %+v", resp.ProtoMajor, resp.TLS)
	}
	address := strings.TrimPrefix(h.url, "https://")
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

// watched is an answer whose write limit can be seen.
type watched struct {
	*httptest.ResponseRecorder
	limit   time.Time
	flushed chan time.Time // the limit at each flush
}

func (w *watched) SetWriteDeadline(limit time.Time) error { w.limit = limit; return nil }

func (w *watched) FlushError() error {
	w.flushed <- w.limit
	return nil
}

// Without this a quiet stream over HTTP/2 would break every few seconds, since there a limit ends it that passes while
// nothing is being written; or a viewer who takes nothing would hold its stream for ever.
func TestQuietStreamHasNoLimit(t *testing.T) {
	s := newSite(t, 10)
	ctx, leave := context.WithCancel(t.Context())
	w := &watched{ResponseRecorder: httptest.NewRecorder(), flushed: make(chan time.Time)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Server.events(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/events", http.NoBody))
	}()
	if limit := <-w.flushed; limit.IsZero() {
		t.Error("a write has no limit")
	}
	leave()
	<-ended
	if !w.limit.IsZero() {
		t.Errorf("between writes there is a limit: %v", w.limit)
	}
}

// Without this a renewed certificate would need a restart, and a slip while renewing it would take the page down.
func TestFilesAreReadAgain(t *testing.T) {
	h := newHouse(t, nil)
	serial := func() string {
		t.Helper()
		return h.status(h.client(), "", "", http.StatusOK).TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	h.look()
	if strings.Contains(h.log.String(), "changed") {
		t.Errorf("nothing has changed: %s", h.log)
	}
	cert, key := h.ca.good("renewed")
	put(t, h.dir, "cert.pem", cert) // the key is still the old one
	h.look()
	h.look()
	if serial() != first {
		t.Error("a certificate without its key is in use")
	}
	if log := h.log.String(); strings.Count(log, "cannot be used") != 1 || !strings.Contains(log, "WEB_TLS_KEY_FILE") || strings.Contains(log, h.dir) {
		t.Errorf("the log does not say once what is wrong: %s", log)
	}
	put(t, h.dir, "key.pem", key)
	h.look()
	if serial() == first || !strings.Contains(h.log.String(), "are in use") {
		t.Errorf("the renewed certificate is not in use: %s", h.log)
	}
}

// Without this somebody without a certificate, or with one of somebody else's, would read the messages, or whoever was
// shut out would go on reading.
func TestClientCertificates(t *testing.T) {
	friends, strangers := newAuthority(t, "friends"), newAuthority(t, "strangers")
	h := newHouse(t, func(a *Access, dir string) { a.ClientCAFile = put(t, dir, "clients.pem", friends.pem()) })
	for name, client := range map[string]*http.Client{"without one": h.client(), "with a stranger's": h.client(strangers.pair("eve"))} {
		if resp, err := h.ask(client, "/", "", ""); err == nil {
			t.Errorf("%s: got %d %.100s", name, resp.StatusCode, resp.text)
		}
	}
	friend := h.client(friends.pair("alice"))
	if resp := h.status(friend, "", "", http.StatusOK); resp.ProtoMajor != 2 {
		t.Errorf("got HTTP/%d", resp.ProtoMajor)
	}
	put(t, h.dir, "clients.pem", strangers.pem())
	h.look()
	h.status(friend, "", "", http.StatusForbidden) // on the connection that was good
	if resp, err := h.ask(friend, "/", "", ""); err == nil {
		t.Errorf("on a new connection: got %d %.100s", resp.StatusCode, resp.text)
	}
	h.status(h.client(strangers.pair("eve")), "", "", http.StatusOK)
}
