package skrclient

import (
	"errors"
	"fmt"
)

// Step names the part of a release that failed. It is safe to use as a metric label.
type Step string

// The steps, in the order of a release.
const (
	StepSidecar     Step = "sidecar"     // reaching the sidecar and understanding its response
	StepAttestation Step = "attestation" // attesting this pod to the attestation service
	StepIdentity    Step = "identity"    // getting a token for the pod's identity from the identity provider
	StepVault       Step = "vault"       // reaching the vault and being authorized there
	StepPolicy      Step = "policy"      // satisfying the key's release policy
	StepKey         Step = "key"         // using the key that was released
)

// Kind classifies a failure for programs. It is safe to use as a metric label.
type Kind string

// The kinds of failure.
const (
	KindUnreachable Kind = "unreachable" // nothing accepted a connection, or the address is not on loopback
	KindTimeout     Kind = "timeout"     // connected, but no response within the time limit
	KindRefused     Kind = "refused"     // the sidecar refused the key
	KindMalformed   Kind = "malformed"   // the response does not follow the protocol, or the key is broken
	KindUnsupported Kind = "unsupported" // a sound key of a type that this package does not use
	KindUnexpected  Kind = "unexpected"  // a sound key that is not one of those expected
	KindFailed      Kind = "failed"      // the attempt failed before the request was sent
)

// Error is a failed attempt to get a key or an attestation token. It holds fixed words and numbers only, never a part of a
// response, a token or a key, so it is safe to log and to display.
type Error struct {
	KeyName string // as in the request; empty for an attestation token
	Step    Step
	Kind    Kind
	Cause   Cause
	// Status is the decisive HTTP status: that of the attestation service or the vault if a refusal names one, else that
	// of the sidecar; 0 without a response.
	Status int
}

// Error describes the failure in fixed words.
func (e *Error) Error() string {
	action := "getting attestation token"
	if e.KeyName != "" {
		action = fmt.Sprintf("releasing key %q", e.KeyName)
	}
	text := fmt.Sprintf("%s: %s at %s: %s", action, e.Kind, e.Step, e.Cause.Text())
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d)", e.Status)
	}
	return text
}

// Hint tells a person what to do about the failure.
func (e *Error) Hint() string { return e.Cause.reason().hint }

// Temporary reports whether the failure may pass without a person's help. An unknown cause counts as temporary.
func (e *Error) Temporary() bool { return !e.Cause.reason().permanent }

// withKeyName adds the key's name to an error.
func withKeyName(err error, keyName string) error {
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*Error](err); ok {
		failure.KeyName = keyName
		return failure
	}
	return fmt.Errorf("releasing key %q: %w", keyName, err)
}

// AsError returns err as an *Error. It drops the text of any other error, which might hold a secret.
func AsError(err error) *Error {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure
	}
	return &Error{Step: StepSidecar, Kind: KindFailed, Cause: CauseUnknownError}
}
