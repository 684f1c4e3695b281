package keys

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/web/podstatus"
)

const (
	minAttestInterval = 10 * time.Second
	attestRetryDelay  = time.Minute // after a failure that may pass
)

// attestation keeps a current attestation token of this pod. It requests the token after the vault has released or
// refused a key: the token decides nothing.
type attestation struct {
	attester  *skrclient.Attester
	policy    *policy.Policy // nil if there is none to compare with
	log       *slog.Logger
	onChange  func()
	requested chan struct{}
	latest    atomic.Pointer[attestResult] // nil before the first attempt
}

// attestResult is the result of one attempt.
type attestResult struct {
	token *skrclient.Attestation
	err   error
}

func newAttestation(attester *skrclient.Attester, expected *policy.Policy, log *slog.Logger, onChange func()) *attestation {
	return &attestation{attester: attester, policy: expected, log: log, onChange: onChange, requested: make(chan struct{}, 1)}
}

// request makes run get a new token soon.
func (a *attestation) request() {
	select {
	case a.requested <- struct{}{}:
	default:
	}
}

// run gets a token on request, when the last one expires, and after a failure that may pass. It returns when ctx ends.
func (a *attestation) run(ctx context.Context) {
	var expired <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.requested:
		case <-expired:
		}
		token, err := a.attester.Attest(ctx)
		if ctx.Err() != nil {
			return
		}
		a.record(ctx, attestResult{token, err})
		expired = nil
		if validFor := a.latest.Load().validFor(time.Now()); validFor > 0 {
			expired = time.After(validFor)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(minAttestInterval):
		}
	}
}

// validFor returns how long to wait before the next attempt, or 0 if it would not change anything.
func (r *attestResult) validFor(now time.Time) time.Duration {
	if failure := r.failure(); failure != nil {
		if failure.Temporary() {
			return attestRetryDelay
		}
		return 0
	}
	return max(r.token.Expires.Sub(now), attestRetryDelay)
}

// failure returns why there is no token whose signature was checked.
func (r *attestResult) failure() *skrclient.Error {
	if r.token != nil {
		return r.token.Unchecked
	}
	return skrclient.AsError(r.err)
}

// record publishes a result. It logs a failure only if it differs from the last one.
func (a *attestation) record(ctx context.Context, result attestResult) {
	before := a.latest.Swap(&result)
	failure := result.failure()
	switch {
	case failure == nil:
		a.log.LogAttrs(ctx, slog.LevelInfo, "attestation token checked", slog.Time("expires", result.token.Expires))
	case before == nil || before.failure() == nil || *before.failure() != *failure:
		a.log.LogAttrs(ctx, slog.LevelWarn, "no attestation token that is checked", slog.String("error", failure.Error()), slog.String("hint", failure.Hint()))
	}
	a.onChange()
}

func (a *attestation) token() (string, bool) {
	latest := a.latest.Load()
	if latest == nil || latest.token == nil {
		return "", false
	}
	return latest.token.Token(), true
}

// status compares the latest token with the policy, for the page.
func (a *attestation) status() podstatus.Attestation {
	latest := a.latest.Load()
	if latest == nil {
		return podstatus.Attestation{}
	}
	status := podstatus.Attestation{State: podstatus.AttestationChecked, Compared: a.policy != nil}
	if failure := latest.failure(); failure != nil {
		status.State, status.Reason = podstatus.AttestationUnchecked, string(failure.Cause)
	}
	if latest.token == nil {
		status.State = podstatus.AttestationFailed
		return status
	}
	status.Issued, status.Expires = latest.token.Issued, latest.token.Expires
	for _, check := range latest.token.Compare(a.policy) {
		status.Checks = append(status.Checks, podstatus.Check{Claim: check.Claim, Expected: check.Expected, Actual: check.Actual, Result: podstatus.CheckResult(check.Result)})
	}
	return status
}
