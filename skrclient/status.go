package skrclient

import (
	"crypto/rsa"
	"slices"
	"time"
)

// State is the progress of the release of a key, or of all keys.
type State string

// The states. A released key stays released, because a release cannot be taken back, unless the same request later
// releases an unexpected key.
const (
	StateWaiting     State = "waiting"     // no usable response yet
	StateUnreachable State = "unreachable" // nothing answers at the address
	StateRefused     State = "refused"     // the sidecar refused the key
	StateReleased    State = "released"    // the key was released
	StateUnexpected  State = "unexpected"  // a key was released that is not expected, and is not used
)

// KeyState is the state of one requested key. Printing or marshalling it shows no key material.
type KeyState struct {
	Name  string // as in the request
	State State
	// Last is the error of the last attempt, nil if it succeeded. A released key has one if a later attempt was refused.
	Last *Error
	// UnexpectedID is the id of the key that the last attempt released, if it is not expected; else empty.
	UnexpectedID string
	private      *rsa.PrivateKey
}

// Private returns the released key, or nil. If a later attempt released an unexpected key, it is the former, expected one.
func (k KeyState) Private() *rsa.PrivateKey { return k.private }

// Status is a snapshot of a [Keeper].
type Status struct {
	State State     // StateReleased if every key is, else StateUnexpected if any key is, else the state of the first missing key
	Since time.Time // when State last changed
	// Confirmed is when a [Keeper.Refresh] last had every key released again, without a failure; zero: none has since then.
	Confirmed time.Time
	// Attempts counts the rounds. Each round asks for every missing key.
	Attempts int
	// Last is the error of the key that State is about, else that of the first released key whose last attempt failed, else
	// nil.
	Last *Error
	// NextAttempt is the start of the next round; zero during a round and if none is planned.
	NextAttempt time.Time
	Keys        []KeyState // in the order of the requests
}

// withKeys returns the status after the keys have changed.
func (s Status) withKeys(keys []KeyState, now time.Time) Status {
	before := s.State
	s.Keys, s.State, s.Last = slices.Clone(keys), StateReleased, nil
	for _, key := range slices.Backward(s.Keys) {
		if key.State == StateReleased && key.Last != nil && s.State == StateReleased {
			s.Last = key.Last
		}
		if key.State == StateUnexpected || key.State != StateReleased && s.State != StateUnexpected {
			s.State, s.Last = key.State, key.Last
		}
	}
	if s.State != before || s.Since.IsZero() {
		s.Since, s.Confirmed = now, time.Time{}
	}
	return s
}

// stateAfter is the state of a key after a failed attempt. A sidecar that stalls or sends malformed responses is not
// absent, and throttling is not a refusal, so a missing key counts as waiting.
func (k KeyState) stateAfter(failure *Error) State {
	switch {
	case failure.Kind == KindUnexpected:
		return StateUnexpected
	case k.private != nil:
		return StateReleased
	case failure.Kind == KindUnreachable:
		return StateUnreachable
	case failure.Kind == KindRefused && failure.Cause != CauseThrottled:
		return StateRefused
	default:
		return StateWaiting
	}
}
