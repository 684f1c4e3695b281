// Package skrtest is a stand-in for the Azure Secure Key Release sidecar, for tests and for a lab. It really returns
// keys, without any attestation, to whoever asks: never give it a key that protects something.
//
//	sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": key})
//	server := skrtest.NewServer(sidecar, "127.0.0.1:0")
//	err = server.Start()
//
// It can refuse, stall and talk nonsense on demand, and its [Server] can go away and come back. With a [Platform] behind
// it ([On]) it releases what that does.
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

// Behaviour is how a sidecar answers a good request for a key.
type Behaviour string

// The behaviours.
const (
	Release      Behaviour = "release"       // return the key; refuse one that it does not have
	Stall        Behaviour = "stall"         // accept the request and never answer
	Garbage      Behaviour = "garbage"       // status 200 with a page that is not JSON
	TwoDocuments Behaviour = "two documents" // the right answer with a second JSON document behind it
	Huge         Behaviour = "huge"          // a JSON answer of more than 2 MiB
	NotReady     Behaviour = "not ready"     // status 500 with an empty error object
)

// Asked is the body of a request for a key.
type Asked struct {
	MAAEndpoint string `json:"maa_endpoint"`
	AKVEndpoint string `json:"akv_endpoint"`
	KeyName     string `json:"kid"`
	AccessToken string `json:"access_token"`
}

// Sidecar is the stand-in, an http.Handler. It is safe for concurrent use, and what it does can be changed at any time.
type Sidecar struct {
	mux      *http.ServeMux
	platform Platform // nil: the keys below

	mu        sync.Mutex
	keys      map[string]*rsa.PrivateKey
	behaviour Behaviour
	refusal   Refusal // if not empty, it goes before the behaviour
	requests  int
	asked     Asked
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

// Behave sets the behaviour from now on and ends a refusal.
func (s *Sidecar) Behave(behaviour Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour, s.refusal = behaviour, ""
}

// Refuse answers 403 with the given text from now on.
func (s *Sidecar) Refuse(refusal Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = refusal
}

// Requests is how many well-formed requests for a key were received.
func (s *Sidecar) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Asked returns the latest well-formed request for a key; it is empty if there was none.
func (s *Sidecar) Asked() Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ServeHTTP answers GET /status, POST /key/release and POST /attest/maa, /attest/raw and /attest/combined.
func (s *Sidecar) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Sidecar) release(w http.ResponseWriter, r *http.Request) {
	var asked Asked
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked)
	if err != nil || asked.KeyName == "" || asked.MAAEndpoint == "" || asked.AKVEndpoint == "" {
		answer(w, http.StatusBadRequest, map[string]any{"error": struct{}{}}) // as the real one marshals its error
		return
	}
	s.mu.Lock()
	s.requests++
	s.asked = asked
	behaviour, refusal := s.behaviour, s.refusal
	s.mu.Unlock()

	switch {
	case refusal != "":
		refuse(w, http.StatusForbidden, refusal.text(asked))
	case behaviour == Stall:
		<-r.Context().Done()
	case behaviour == Garbage:
		write(w, http.StatusOK, "text/html", "<html>upstream connect error</html>")
	case behaviour == Huge:
		answer(w, http.StatusOK, map[string]string{"key": strings.Repeat("A", 2<<20)})
	case behaviour == NotReady:
		answer(w, http.StatusInternalServerError, map[string]any{"error": struct{}{}})
	default:
		jwk, err := s.jwk(r.Context(), asked)
		if err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		answer(w, http.StatusOK, map[string]string{"key": jwk})
		if behaviour == TwoDocuments {
			answer(w, 0, map[string]string{"error": "writing the answer failed"})
		}
	}
}

// jwk gets the key from the platform, or from those that the sidecar was given.
func (s *Sidecar) jwk(ctx context.Context, asked Asked) (string, error) {
	if s.platform != nil {
		key, err := s.platform.Release(ctx, asked)
		if err != nil {
			return "", err
		}
		return encode(key)
	}
	s.mu.Lock()
	key := s.keys[asked.KeyName]
	s.mu.Unlock()
	if key == nil {
		return "", errors.New(RefusalNoKey.text(asked))
	}
	return encode(key)
}

// status is 200 even when it is not well, as the real one's.
func (s *Sidecar) status(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	message := "Status OK"
	if s.behaviour == NotReady {
		message = "Status NOT OK"
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]string{"message": message})
}

// encode writes the key as the sidecar does, with every number and the operations.
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

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	write(w, status, "application/json; charset=utf-8", string(text))
}

// write sends the text; the status is 0 if it was sent before.
func write(w http.ResponseWriter, status int, kind, text string) {
	if status != 0 {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
	}
	_, _ = w.Write([]byte(text)) //nolint:errcheck // the client may be gone, and then there is no one to tell
}
