// Package skrtest is a stand-in for the Azure Secure Key Release sidecar, for tests and for a lab. It really returns
// keys, without any attestation, to whoever asks: never give it a key that protects something.
//
//	sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": key})
//	server := skrtest.NewServer(sidecar, "127.0.0.1:0")
//	err = server.Start()
//
// It can refuse, stall and talk nonsense on demand, and its [Server] can go away and come back.
package skrtest

import (
	"crypto/rsa"
	"encoding/json"
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
	mux *http.ServeMux

	mu        sync.Mutex
	keys      map[string]string // name to JWK
	behaviour Behaviour
	refusal   Refusal // if not empty, it goes before the behaviour
	requests  int
	asked     Asked
}

// New makes a sidecar that releases the keys under their names.
func New(keys map[string]*rsa.PrivateKey) (*Sidecar, error) {
	s := &Sidecar{mux: http.NewServeMux(), keys: make(map[string]string), behaviour: Release}
	s.mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"message": "Status OK"})
	})
	s.mux.HandleFunc("POST /key/release", s.release)
	for name, key := range keys {
		if err := s.SetKey(name, key); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// SetKey adds or replaces a key; nil removes it.
func (s *Sidecar) SetKey(name string, key *rsa.PrivateKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == nil {
		delete(s.keys, name)
		return nil
	}
	jwk, err := encode(key)
	if err != nil {
		return fmt.Errorf("encoding key %q: %w", name, err)
	}
	s.keys[name] = jwk
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

// ServeHTTP answers GET /status and POST /key/release.
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
	behaviour, refusal, jwk := s.behaviour, s.refusal, s.keys[asked.KeyName]
	s.mu.Unlock()

	if refusal == "" && jwk == "" && (behaviour == Release || behaviour == TwoDocuments) {
		refusal = RefusalNoKey
	}
	switch {
	case refusal != "":
		answer(w, http.StatusForbidden, map[string]string{"error": refusal.text(asked)})
	case behaviour == Stall:
		<-r.Context().Done()
	case behaviour == Garbage:
		write(w, http.StatusOK, "text/html", "<html>upstream connect error</html>")
	case behaviour == Huge:
		answer(w, http.StatusOK, map[string]string{"key": strings.Repeat("A", 2<<20)})
	case behaviour == NotReady:
		answer(w, http.StatusInternalServerError, map[string]any{"error": struct{}{}})
	default:
		answer(w, http.StatusOK, map[string]string{"key": jwk})
		if behaviour == TwoDocuments {
			answer(w, 0, map[string]string{"error": "writing the answer failed"})
		}
	}
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
