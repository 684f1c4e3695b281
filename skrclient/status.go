package skrclient

import (
	"crypto/rsa"
	"slices"
	"time"
)

// State says how far the release of a key, or of all keys, has come.
type State string

// The states. A key that was released stays released: a release cannot be taken back.
const (
	StateWaiting     State = "waiting"     // not answered yet, or not with anything that can be used
	StateUnreachable State = "unreachable" // nothing answers at the sidecar's address
	StateRefused     State = "refused"     // the sidecar says no
	StateReleased    State = "released"    // the key is here
)

// Key is a released key. Printing or marshalling it shows no key material.
type Key struct {
	Name    string // as in the request
	private *rsa.PrivateKey
}

// Private returns the key itself.
func (k Key) Private() *rsa.PrivateKey { return k.private }

// KeyState is one requested key in a [Status].
type KeyState struct {
	Name  string // as in the request
	State State
	// Last is the error of the last try for this key, nil if it gave the key. A released key may have one: it was
	// asked for again and refused.
	Last    *Error
	private *rsa.PrivateKey
}

// Private returns the released key, or nil.
func (k KeyState) Private() *rsa.PrivateKey { return k.private }

// Status is what a [Keeper] knew at one moment. It never changes.
type Status struct {
	State State     // StateReleased if all keys are here, else that of the first key that is missing
	Since time.Time // when State became what it is
	// Attempts counts the rounds of asking, each of which asks for every key that is missing.
	Attempts int
	// Last is the error of the first missing key, or of the first released key whose last try failed; nil if none.
	Last *Error
	// NextAttempt is when the next round starts; zero while one is under way and when no more is planned.
	NextAttempt time.Time
	Keys        []KeyState // in the order of the requests
}

// next derives the status that follows s when the keys have come to the given states.
func (s Status) next(keys []KeyState, now time.Time) Status {
	before := s.State
	s.Keys, s.State, s.Last = slices.Clone(keys), StateReleased, nil
	for _, key := range slices.Backward(s.Keys) {
		if key.State == StateReleased && key.Last != nil && s.State == StateReleased {
			s.Last = key.Last
		}
		if key.State != StateReleased {
			s.State, s.Last = key.State, key.Last
		}
	}
	if s.State != before || s.Since.IsZero() {
		s.Since = now
	}
	return s
}

// stateOf is the state of a missing key after a failed try. A sidecar that stalls or talks nonsense is there, and a
// service that is too busy has not said no, so the key is waited for.
func stateOf(failure *Error) State {
	switch {
	case failure.Kind == KindUnreachable:
		return StateUnreachable
	case failure.Kind == KindRefused && failure.Cause != CauseThrottled:
		return StateRefused
	default:
		return StateWaiting
	}
}
