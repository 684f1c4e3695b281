package skrclient

import (
	"errors"
	"fmt"
)

// Step names the part of a release that failed. It is safe as a metric label.
type Step string

// The steps in the order in which a release passes them.
const (
	StepSidecar     Step = "sidecar"     // reaching the sidecar and understanding its answer
	StepAttestation Step = "attestation" // proving to the attestation service what this pod is
	StepVault       Step = "vault"       // reaching the vault and being known to it
	StepPolicy      Step = "policy"      // satisfying the key's release policy
	StepKey         Step = "key"         // using the key that was released
)

// Kind tells a program what sort of failure it was. It is safe as a metric label.
type Kind string

// The kinds of failure.
const (
	KindUnreachable Kind = "unreachable" // nothing accepted a connection, or it broke
	KindTimeout     Kind = "timeout"     // connected, but no answer within the time limit
	KindRefused     Kind = "refused"     // the sidecar answered that it does not give the key
	KindMalformed   Kind = "malformed"   // the answer is not what the protocol says, or the key is broken
	KindUnsupported Kind = "unsupported" // a sound key of a sort that this package does not use
	KindFailed      Kind = "failed"      // the try failed before the sidecar was asked
)

// Error is a try that gave no key or no attestation token. It carries fixed words and numbers only, never a part of an answer, a token or a
// key, so it is safe to log and to show.
type Error struct {
	KeyName string // the name that was asked for; empty if it was an attestation token
	Step    Step
	Kind    Kind
	Cause   Cause
	// Status is the HTTP status that decided: the attestation service's or the vault's where a refusal names one,
	// else the sidecar's; 0 if there was no answer.
	Status int
}

// Error says what happened, in fixed words.
func (e *Error) Error() string {
	what := "getting attestation token"
	if e.KeyName != "" {
		what = fmt.Sprintf("releasing key %q", e.KeyName)
	}
	text := fmt.Sprintf("%s: %s at %s: %s", what, e.Kind, e.Step, e.Cause)
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d)", e.Status)
	}
	return text
}

// Hint says what a person can do about it.
func (e *Error) Hint() string { return e.Cause.details().hint }

// Temporary reports whether the failure may pass without anyone doing something. An unknown cause counts as
// temporary.
func (e *Error) Temporary() bool { return !e.Cause.details().permanent }

// named says which key an error is about.
func named(err error, keyName string) error {
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*Error](err); ok {
		failure.KeyName = keyName
		return failure
	}
	return fmt.Errorf("releasing key %q: %w", keyName, err)
}

// AsError keeps the words of an error of unknown origin out of what is logged and shown.
func AsError(err error) *Error {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure
	}
	return &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseNoReleaser}
}
