// Package skrtest is a fake of the Azure Secure Key Release sidecar, for tests and for a lab. It returns keys without
// attestation to anyone who asks: never give it a key that protects something.
//
//	sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": key})
//	server := skrtest.NewServer(sidecar, "127.0.0.1:0")
//	err = server.Start()
//
// It can refuse, stall and send malformed responses on demand, and its [Server] can stop and restart. With a [Platform]
// ([NewWithPlatform]) it releases the keys of the platform.
package skrtest

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// Behaviour is how a sidecar responds to a valid request for a key.
type Behaviour string

// The behaviours.
const (
	Release      Behaviour = "release"       // return the key, or refuse a missing one
	Stall        Behaviour = "stall"         // never respond
	Garbage      Behaviour = "garbage"       // status 200 with a page that is not JSON
	TwoDocuments Behaviour = "two documents" // the right response followed by a second JSON document
	Huge         Behaviour = "huge"          // a JSON response of more than 2 MiB
	NotReady     Behaviour = "not ready"     // status 500 with an empty error object
)

// KeyRequest is the body of a request for a key.
type KeyRequest struct {
	MAAEndpoint string `json:"maa_endpoint"`
	AKVEndpoint string `json:"akv_endpoint"`
	KeyName     string `json:"kid"`
	AccessToken string `json:"access_token"`
}

// Sidecar is an http.Handler. It is safe for concurrent use, and its behaviour can be changed at any time.
type Sidecar struct {
	mux      *http.ServeMux
	platform Platform // nil: use keys

	mu        sync.Mutex
	keys      map[string]*rsa.PrivateKey
	behaviour Behaviour
	refusal   Refusal // if not empty, it overrides the behaviour
	old       bool
	requests  int
	last      KeyRequest
}

// New makes a sidecar that releases the keys under their names.
func New(keys map[string]*rsa.PrivateKey) (*Sidecar, error) {
	s := newSidecar()
	for name, key := range keys {
		if err := s.SetKey(name, key); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func newSidecar() *Sidecar {
	s := &Sidecar{mux: http.NewServeMux(), keys: make(map[string]*rsa.PrivateKey), behaviour: Release}
	s.mux.HandleFunc("GET /status", s.status)
	s.mux.HandleFunc("POST /key/release", s.release)
	s.mux.HandleFunc("POST /attest/maa", s.attestMAA)
	s.mux.HandleFunc("POST /attest/raw", s.attestRaw)
	s.mux.HandleFunc("POST /attest/combined", s.attestCombined)
	return s
}

// SetKey adds or replaces a key; nil removes it.
func (s *Sidecar) SetKey(name string, key *rsa.PrivateKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == nil {
		delete(s.keys, name)
		return nil
	}
	if _, err := encode(key); err != nil {
		return fmt.Errorf("encoding key %q: %w", name, err)
	}
	s.keys[name] = key
	return nil
}

// Behave sets the behaviour and ends a refusal.
func (s *Sidecar) Behave(behaviour Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour, s.refusal = behaviour, ""
}

// Refuse makes the sidecar respond with status 403 and the given text.
func (s *Sidecar) Refuse(refusal Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = refusal
}

// SetOld makes the sidecar format errors as versions before 2.12 do.
func (s *Sidecar) SetOld(old bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old = old
}

// Requests returns the number of valid requests for a key.
func (s *Sidecar) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// LastRequest returns the latest valid request for a key, empty if there was none.
func (s *Sidecar) LastRequest() KeyRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// ServeHTTP serves GET /status, POST /key/release and POST /attest/maa, /attest/raw and /attest/combined. Everything else,
// even another method, gets status 404.
func (s *Sidecar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := s.mux.Handler(r)
	if pattern == "" || r.Method == http.MethodHead {
		handler = http.NotFoundHandler()
	}
	handler.ServeHTTP(w, r)
}

func (s *Sidecar) release(w http.ResponseWriter, r *http.Request) {
	var request KeyRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request)
	if err != nil || request.KeyName == "" || request.MAAEndpoint == "" || request.AKVEndpoint == "" {
		respond(w, http.StatusBadRequest, map[string]any{"error": struct{}{}}) // how the real sidecar marshals its error
		return
	}
	s.mu.Lock()
	s.requests++
	s.last = request
	behaviour, refusal := s.behaviour, s.refusal
	s.mu.Unlock()

	switch {
	case refusal != "":
		s.refuse(w, http.StatusForbidden, "secure key release failed", refusal.text(request))
	case behaviour == Stall:
		<-r.Context().Done()
	case behaviour == Garbage:
		respondText(w, http.StatusOK, "text/html", "<html>upstream connect error</html>")
	case behaviour == Huge:
		respond(w, http.StatusOK, map[string]string{"key": strings.Repeat("A", 2<<20)})
	case behaviour == NotReady:
		respond(w, http.StatusInternalServerError, map[string]any{"error": struct{}{}})
	default:
		jwk, err := s.jwk(r.Context(), request)
		if err != nil {
			s.refuse(w, http.StatusForbidden, "secure key release failed", err.Error())
			return
		}
		respond(w, http.StatusOK, map[string]string{"key": jwk})
		if behaviour == TwoDocuments {
			write(w, `{"error":"writing the answer failed"}`)
		}
	}
}

// jwk returns the key from the platform or from keys.
func (s *Sidecar) jwk(ctx context.Context, request KeyRequest) (string, error) {
	if s.platform != nil {
		key, err := s.platform.Release(ctx, request)
		if err != nil {
			return "", err
		}
		return encode(key)
	}
	s.mu.Lock()
	key := s.keys[request.KeyName]
	s.mu.Unlock()
	if key == nil {
		return "", errors.New(RefusalNoKey.text(request))
	}
	return encode(key)
}

// status responds with 200 even if the sidecar is not ready, like the real one.
func (s *Sidecar) status(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	message := "Status OK"
	if s.behaviour == NotReady {
		message = "Status NOT OK"
	}
	s.mu.Unlock()
	respond(w, http.StatusOK, map[string]string{"message": message})
}

// encode encodes the key as the real sidecar does, with every number and the operations.
func encode(key *rsa.PrivateKey) (string, error) {
	text, err := jose.JSONWebKey{Key: key}.MarshalJSON()
	if err != nil {
		return "", err
	}
	fields := make(map[string]any)
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", err
	}
	fields["key_ops"] = []string{"encrypt", "decrypt"}
	text, err = json.Marshal(fields)
	return string(text), err
}

func respond(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	respondText(w, status, "application/json; charset=utf-8", string(text))
}

func respondText(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	write(w, text)
}

func write(w http.ResponseWriter, text string) {
	_, _ = w.Write([]byte(text)) //nolint:errcheck // the client may be gone
}
