package attested_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
)

// impostor is a server in between with a certificate of its own, which relays everything.
func impostor(t *testing.T, to *attestedtest.Pod) *httptest.Server {
	t.Helper()
	target, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	server := httptest.NewUnstartedServer(proxy)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{attestedtest.NewCertificate(t, nil, nil)}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// A viewer would trust whoever sits between them and the pod, with the pod's genuine token.
func TestVerifyRefusesImpostor(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	between := impostor(t, pod)
	_, err := newVerifier(t, service, nil).Verify(t.Context(), between.Listener.Addr().String())
	if refusedAt(err) != "key" || !strings.HasPrefix(err.Error(), "the certificate's key is not the attested one: expected ") {
		t.Errorf("got %v", err)
	}
	if pod.Tokens() != 1 {
		t.Errorf("the pod gave %d tokens, want the genuine one to be relayed", pod.Tokens())
	}

	// With the pod's own key, which leaked, the token still fits only the connection for which it was made.
	thief := httptest.NewUnstartedServer(between.Config.Handler)
	thief.TLS = &tls.Config{Certificates: pod.TLS.Certificates, MinVersion: tls.VersionTLS13}
	thief.StartTLS()
	defer thief.Close()
	_, err = newVerifier(t, service, nil).Verify(t.Context(), thief.Listener.Addr().String())
	if refusedAt(err) != "nonce" {
		t.Errorf("got %v, want the relayed token refused", err)
	}
}

// A program would send a request, with its secrets, before it knows to whom.
func TestTransport(t *testing.T) {
	service := attestedtest.NewService(t)
	requests := make(chan string, 10)
	pod := service.NewPod(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.RemoteAddr
		page(w, r)
	}))
	verifier := newVerifier(t, service, nil)
	client := &http.Client{Transport: verifier.Transport()}
	get := func(url string) (string, error) {
		response, err := client.Get(url)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	for range 2 {
		if body, err := get(pod.URL + "/a"); err != nil || body != "page /a" {
			t.Fatalf("got %q and %v", body, err)
		}
	}
	client.CloseIdleConnections()
	if body, err := get(pod.URL + "/b"); err != nil || body != "page /b" || pod.Tokens() != 1 {
		t.Errorf("got %q, %v and %d tokens; want one token for a key that was verified", body, err, pod.Tokens())
	}
	verifier.Forget()
	client.CloseIdleConnections()
	if _, err := get(pod.URL + "/c"); err != nil || pod.Tokens() != 2 {
		t.Errorf("got %v and %d tokens, want another token", err, pod.Tokens())
	}
	if len(requests) != 4 {
		t.Errorf("the page got %d requests", len(requests))
	}

	between := impostor(t, pod)
	if _, err := get(between.URL); refusedAt(err) != "key" {
		t.Errorf("impostor: got %v", err)
	}
	if _, err := get(strings.Replace(pod.URL, "https://", "http://", 1)); err == nil {
		t.Error("a request went out in the clear")
	}
	if len(requests) != 4 {
		t.Errorf("the page got %d requests, want none through the impostor", len(requests))
	}
}

// A viewer would trust a key for longer than the token that vouches for it.
func TestTransportVerifiesAgainAfterExpiry(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	pod.Claims = func(claims map[string]any) { claims["exp"] = unix(-time.Minute) } // within the skew
	verifier := newVerifier(t, service, nil)
	for range 2 {
		conn, err := verifier.DialTLS(t.Context(), "tcp", pod.Address())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if pod.Tokens() != 2 {
		t.Errorf("got %d tokens, want one for each connection", pod.Tokens())
	}
}

// A viewer who wants young tokens would trust a key for as long as its token allows.
func TestMaxAgeLimitsTheTrustInAKey(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	now := time.Now()
	pod.Claims = func(claims map[string]any) {
		claims["iat"], claims["nbf"], claims["exp"] = now.Unix(), now.Unix(), now.Add(time.Hour).Unix()
	}
	verifier := newVerifier(t, service, func(c *attested.Config) { c.MaxAge, c.Now = time.Minute, func() time.Time { return now } })
	for i, want := range []int{1, 1, 2} {
		conn, err := verifier.DialTLS(t.Context(), "tcp", pod.Address())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if pod.Tokens() != want {
			t.Errorf("connection %d: got %d tokens, want %d", i, pod.Tokens(), want)
		}
		now = now.Add(40 * time.Second)
	}
}

// A busy pod would look like a false one.
func TestVerifyWaitsForABusyPod(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	pod.Answer = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if pod.Tokens() > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	if _, err := newVerifier(t, service, nil).Verify(t.Context(), pod.Address()); err != nil {
		t.Error(err)
	}
}

// A viewer's program would hang, or call a dead network a false page.
func TestVerifyEnds(t *testing.T) {
	t.Parallel()
	service := attestedtest.NewService(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stalled := service.NewPod(t, http.HandlerFunc(page))
	stalled.Answer = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
				return true
			}
			time.Sleep(10 * time.Millisecond)
		}
		return true
	}
	deaf := service.NewPod(t, http.HandlerFunc(page))
	down := attestedtest.NewService(t)
	away := down.NewPod(t, http.HandlerFunc(page))
	down.Close()
	verifier := newVerifier(t, service, nil)
	for name, c := range map[string]struct {
		verifier *attested.Verifier
		address  string
	}{
		"nothing listens": {verifier, "127.0.0.1:1"},
		"no TLS":          {verifier, silent.Addr().String()},
		"slow":            {verifier, stalled.Address()},
		"no port":         {verifier, "127.0.0.1"},
		"service down":    {newVerifier(t, down, nil), away.Address()},
		"roots not given": {newVerifier(t, service, func(c *attested.Config) { c.CAFile = "" }), deaf.Address()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if name != "no TLS" && name != "slow" {
				ctx = t.Context()
			}
			if _, err := c.verifier.Verify(ctx, c.address); refusedAt(err) != "unchecked" {
				t.Errorf("got %v", err)
			}
		})
	}
}
