package pagetoken

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/web/access"
	"kafka-e2ee/web/openapi/openapitest"
	"kafka-e2ee/web/problem"
)

// pod is a Server with everything around it. The time is that of the test's bubble.
type pod struct {
	t       *testing.T
	server  *Server
	key     *access.AttestedKey
	attests func(ctx context.Context) error // nil: at once
	lives   time.Duration                   // of a token

	mu   sync.Mutex
	made []attested.RuntimeData // with the time of each
	at   []time.Time
}

func start(t *testing.T, attests func(context.Context) error) *pod {
	t.Helper()
	key, err := access.NewAttestedKey([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{t: t, key: key, attests: attests, lives: 8 * time.Hour}
	p.server, err = New(Config{Attest: p.attest, Key: key, OnChange: func() {}, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pod) run() {
	ctx, stop := context.WithCancel(p.t.Context())
	go p.server.Run(ctx)
	p.t.Cleanup(func() { stop(); synctest.Wait() })
	synctest.Wait()
}

func (p *pod) attest(ctx context.Context, text []byte) (string, time.Time, error) {
	if p.attests != nil {
		if err := p.attests(ctx); err != nil {
			return "", time.Time{}, err
		}
	}
	claims, err := policy.ParseClaims(text)
	if err != nil {
		p.t.Error(err)
	}
	data, err := attested.ParseRuntimeData(claims)
	if err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made, p.at = append(p.made, data), append(p.at, time.Now())
	return fmt.Sprintf("token %d", len(p.made)), time.Now().Add(p.lives), nil
}

// all returns the attestations that were made, and when.
func (p *pod) all() ([]attested.RuntimeData, []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.made), slices.Clone(p.at)
}

// connect returns what a request over a new connection to the attested address carries.
func (p *pod) connect(from string) func(query string) *httptest.ResponseRecorder {
	p.t.Helper()
	context, state := handshake(p.t, p.key)
	return func(query string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(context, http.MethodGet, attested.Path+query, http.NoBody)
		request.TLS, request.RemoteAddr = &state, from
		recorder := httptest.NewRecorder()
		p.server.ServeHTTP(recorder, request)
		return recorder
	}
}

// handshake makes a connection through the listener of the attested address, without a network.
func handshake(t *testing.T, key *access.AttestedKey) (context.Context, tls.ConnectionState) {
	t.Helper()
	guard, err := access.New(access.Settings{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	listener := guard.AttestedListener(single{far}, key)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	go client.HandshakeContext(t.Context()) //nolint:errcheck // the server's side reports it
	server, ok := conn.(*tls.Conn)
	if !ok || server.HandshakeContext(t.Context()) != nil {
		t.Fatalf("no TLS connection: %T", conn)
	}
	return access.ConnContext(t.Context(), conn), server.ConnectionState()
}

// single is a listener with one connection.
type single struct{ net.Conn }

func (s single) Accept() (net.Conn, error) { return s.Conn, nil }
func (s single) Addr() net.Addr            { return s.LocalAddr() }

func token(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	openapitest.New(t).Check(http.MethodGet, attested.Path, r.Code, r.Header(), r.Body.Bytes())
	text, err := attested.ParseDocument(r.Body.Bytes())
	if r.Code != http.StatusOK || err != nil {
		t.Fatalf("got %d %s and %v, want a document", r.Code, r.Body, err)
	}
	return text
}

// A viewer would see a token that says nothing about the keys or the certificate in use, or one that has expired.
func TestTokenFollowsKeysAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, nil)
		p.run()
		made, _ := p.all()
		if got := token(t, p.connect("1.2.3.4:1")("")); got != "token 1" || made[0].KeyHash != p.key.SPKI() || len(made[0].KeyIDs) != 0 {
			t.Errorf("got %q for %+v", got, made)
		}
		id := hash("key")
		p.server.SetKeys([]string{id})
		time.Sleep(minInterval + time.Second)
		made, at := p.all()
		if len(made) != 2 || !slices.Equal(made[1].KeyIDs, []string{id}) || at[1].Sub(at[0]) < minInterval {
			t.Fatalf("got %+v at %v, want one more attestation, %v after the first, with the key's id", made, at, minInterval)
		}
		time.Sleep(renewEvery)
		if made, _ = p.all(); len(made) != 3 {
			t.Errorf("got %d attestations after an hour, want 3", len(made))
		}
		ask, before := p.connect("1.2.3.4:1"), p.key.SPKI()
		time.Sleep(190 * 24 * time.Hour) // past half of the certificate's life
		if made, _ = p.all(); p.key.SPKI() == before || made[len(made)-1].KeyHash != p.key.SPKI() {
			t.Error("the TLS key was not renewed, or not attested")
		}
		if r := ask(""); r.Code != http.StatusServiceUnavailable || !strings.Contains(r.Body.String(), "connect again") {
			t.Errorf("a connection with the old key got %d %s", r.Code, r.Body)
		}
		token(t, p.connect("1.2.3.4:1")(""))
	})
}

// A page whose tokens live shorter than the interval would be attested now and then only; a failure would take effect
// before the token expires; or no alert could come before.
func TestShortTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		p := start(t, func(context.Context) error {
			if failing.Load() {
				return &skrclient.Error{Kind: skrclient.KindRefused, Step: skrclient.StepAttestation, Cause: skrclient.CauseTCB}
			}
			return nil
		})
		if got := p.server.expiry(); got != 0 {
			t.Errorf("without a token it expires at %v", got)
		}
		p.lives = 20 * time.Minute
		p.run()
		for range 300 {
			if got := p.server.Status(); got.State != StateAttested {
				t.Fatalf("the status is %+v", got)
			}
			time.Sleep(time.Minute)
		}
		_, at := p.all()
		if len(at) < 25 || len(at) > 40 {
			t.Errorf("%d attestations in five hours", len(at))
		}
		failing.Store(true)
		expires := at[len(at)-1].Add(p.lives)
		if got := p.server.expiry(); got != float64(expires.Unix()) {
			t.Errorf("the token expires at %v, want %v", got, expires.Unix())
		}
		time.Sleep(time.Until(expires) - time.Second)
		if got := p.server.Status(); got.State != StateAttested {
			t.Errorf("before the token expires the status is %+v", got)
		}
		time.Sleep(time.Minute)
		if got := p.server.Status(); got.State != StateFailed || !got.Since.Equal(expires) || got.Cause != skrclient.CauseTCB.Text() {
			t.Errorf("then the status is %+v, want a failure since %v", got, expires)
		}
		failing.Store(false)
		time.Sleep(retryAfter + minInterval)
		if got := p.server.Status(); got.State != StateAttested {
			t.Errorf("in the end the status is %+v", got)
		}
	})
}

// A relayed token would pass for another connection, or each viewer would cost the hardware an attestation.
func TestViewersShareAnAttestation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, nil)
		p.run()
		time.Sleep(time.Minute)
		nonce := attested.NewNonce()
		var answers []*httptest.ResponseRecorder
		var mu sync.Mutex
		var viewers sync.WaitGroup
		for range 100 {
			ask := p.connect("10.0.0.1:1")
			viewers.Go(func() {
				for {
					r := ask("?nonce=" + nonce)
					if r.Code == http.StatusTooManyRequests && r.Header().Get("Retry-After") == "10" {
						time.Sleep(10 * time.Second)
						continue
					}
					mu.Lock()
					defer mu.Unlock()
					answers = append(answers, r)
					return
				}
			})
		}
		viewers.Wait()
		seen := make(map[string]int)
		for _, r := range answers {
			seen[token(t, r)]++
		}
		made, _ := p.all()
		if seen["token 2"] != attested.MaxNonces || seen["token 3"] != 100-attested.MaxNonces || len(made) != 3 {
			t.Fatalf("got tokens %v of %d attestations, want 64 viewers with one and 36 with the next", seen, len(made))
		}
		all := append(made[1].Nonces, made[2].Nonces...)
		slices.Sort(all)
		if len(slices.Compact(all)) != 100 {
			t.Errorf("%d nonces, want one for each connection", len(slices.Compact(all)))
		}
	})
}

// One viewer could keep all others from verifying the page.
func TestNoNetworkShutsOutOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, nil)
		p.run()
		greedy := p.connect("10.0.0.1:1")
		codes := make(chan int, 200)
		for range 200 {
			go func() { codes <- greedy("?nonce=" + attested.NewNonce()).Code }()
		}
		synctest.Wait()
		for i := range 3 {
			token(t, p.connect(fmt.Sprintf("10.0.1.%d:1", i))("?nonce="+attested.NewNonce()))
		}
		synctest.Wait()
		count := make(map[int]int)
		for range 200 {
			count[<-codes]++
		}
		if count[http.StatusOK] != attested.MaxNonces-1 || count[http.StatusTooManyRequests] != 137 {
			t.Errorf("the greedy viewer got %v", count)
		}
	})
}

// A viewer would wait forever, or take a pod without attestation for one with it.
func TestRefusals(t *testing.T) {
	nonce := "?nonce=" + attested.NewNonce()
	release := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() } // one that goes first and takes long
	failing := func(kind skrclient.Kind, step skrclient.Step, cause skrclient.Cause) func(context.Context) error {
		return func(context.Context) error { return &skrclient.Error{Kind: kind, Step: step, Cause: cause} }
	}
	for name, test := range map[string]struct {
		attests func(context.Context) error
		query   string
		status  int
		text    string
		state   State
	}{
		"short nonce":              {nil, "?nonce=abc", http.StatusBadRequest, "got 3 characters", StateAttested},
		"empty nonce":              {nil, "?nonce=", http.StatusBadRequest, "got 0 characters", StateAttested},
		"no sidecar":               {failing(skrclient.KindUnreachable, skrclient.StepSidecar, skrclient.CauseNoAnswer), "", http.StatusNotFound, "nothing attests", StateFailed},
		"no sidecar, with a nonce": {failing(skrclient.KindUnreachable, skrclient.StepSidecar, skrclient.CauseNoAnswer), nonce, http.StatusNotFound, "nothing attests", StateFailed},
		"refused":                  {failing(skrclient.KindRefused, skrclient.StepAttestation, skrclient.CauseTCB), nonce, http.StatusServiceUnavailable, "firmware", StateFailed},
		"not an error of ours":     {func(context.Context) error { return errors.New("hunter2") }, nonce, http.StatusServiceUnavailable, "unknown error", StateFailed},
		"not yet":                  {release, "", http.StatusServiceUnavailable, "ask again", StateWaiting},
		"takes too long":           {release, nonce, http.StatusServiceUnavailable, "takes too long", StateWaiting},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := start(t, test.attests)
				p.run()
				asked := time.Now()
				r := p.connect("10.0.0.1:1")(test.query)
				if r.Code != test.status || !strings.Contains(r.Body.String(), test.text) || strings.Contains(r.Body.String(), "hunter2") {
					t.Errorf("got %d %s", r.Code, r.Body)
				}
				openapitest.New(t).Check(http.MethodGet, attested.Path, r.Code, r.Header(), r.Body.Bytes())
				var body struct{ Type, Detail string }
				if json.Unmarshal(r.Body.Bytes(), &body) != nil || !strings.HasPrefix(body.Type, problem.TypePrefix) || body.Detail == "" || r.Header().Get("Content-Type") != problem.ContentType {
					t.Errorf("got %s, want a problem", r.Body)
				}
				if waited := time.Since(asked); waited > maxWait {
					t.Errorf("waited %v", waited)
				}
				if got := p.server.Status(); got.State != test.state || got.Since.IsZero() != (test.state == StateAttested) || strings.Contains(got.Cause, "hunter2") {
					t.Errorf("the status is %+v, want %s", got, test.state)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := start(t, nil)
		p.server.cfg.Attest = nil
		p.run()
		if r := p.connect("10.0.0.1:1")(nonce); r.Code != http.StatusNotFound || p.server.Status().State != StateNotConfigured {
			t.Errorf("without an attester got %d %s", r.Code, r.Body)
		}
		r := httptest.NewRecorder()
		p.server.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, attested.Path, http.NoBody))
		if r.Code != http.StatusNotFound {
			t.Errorf("another address got %d", r.Code)
		}
	})
}

// A viewer who gave up would keep a place that others need.
func TestGoneViewersLeaveTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, nil)
		p.run()
		ctx, state := handshake(t, p.key)
		ctx, gone := context.WithCancel(ctx)
		for range attested.MaxNonces {
			go func() {
				request := httptest.NewRequestWithContext(ctx, http.MethodGet, attested.Path+"?nonce="+attested.NewNonce(), http.NoBody)
				request.TLS = &state
				p.server.ServeHTTP(httptest.NewRecorder(), request)
			}()
		}
		synctest.Wait()
		gone()
		synctest.Wait()
		if left := len(p.server.queue.take()); left != 0 {
			t.Errorf("%d requests still wait", left)
		}
	})
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
