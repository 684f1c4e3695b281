package pagetoken

import (
	"crypto/sha256"
	"time"
)

// State is the state of the attestation of the page's TLS key.
type State string

// The states.
const (
	StateAttested      State = "attested"
	StateWaiting       State = "waiting"        // the first attestation is being made
	StateFailed        State = "failed"         // there is none that is valid, and the latest attempt failed
	StateNotConfigured State = "not_configured" // nothing can attest this pod
)

// States returns all states.
func States() []State {
	return []State{StateAttested, StateWaiting, StateFailed, StateNotConfigured}
}

// Status is the state at one moment.
type Status struct {
	State State
	Since time.Time // when State began; zero while attested
	Cause string    // in fixed words, unless attested or waiting
}

// Status returns the state of the token for the key that new connections get.
func (s *Server) Status() Status {
	if s.Ready() {
		return Status{State: StateAttested}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cfg.Attest == nil:
		return Status{State: StateNotConfigured, Since: s.started, Cause: nothingAttests}
	case s.failed == nil:
		return Status{State: StateWaiting, Since: s.started}
	}
	since := s.failedSince
	if s.latest.expires.After(since) && !s.latest.expires.After(time.Now()) {
		since = s.latest.expires // until then the token before was valid
	}
	return Status{State: StateFailed, Since: since, Cause: s.failed.Cause.Text()}
}

// Ready reports whether there is a token for the key that new connections get.
func (s *Server) Ready() bool { return s.current(s.cfg.Key.SPKI()) != nil }

// current returns the document for a key, or nil if there is none that is valid.
func (s *Server) current(spki [sha256.Size]byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest.spki != spki || !time.Now().Before(s.latest.expires) {
		return nil
	}
	return s.latest.document
}

// expiry is the metric of when that token expires.
func (s *Server) expiry() float64 {
	spki := s.cfg.Key.SPKI()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest.document == nil || s.latest.spki != spki {
		return 0
	}
	return float64(s.latest.expires.Unix())
}
