package consumer

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/web"
)

const (
	attestEvery = 10 * time.Second // at most
	attestAgain = time.Minute      // where it failed and may pass
)

// attestation keeps a token that says what this pod is now. It is obtained
// after a release was decided, and decides nothing.
type attestation struct {
	attester *skrclient.Attester
	policy   *skrclient.Policy // nil: nothing is expected
	log      *slog.Logger
	changed  func()
	due      chan struct{}
	latest   atomic.Pointer[attested] // nil: nothing yet
}

// attested is how one attempt ended: with a token or with an error.
type attested struct {
	token *skrclient.Attestation
	err   error
}

func newAttestation(attester *skrclient.Attester, policy *skrclient.Policy, log *slog.Logger, changed func()) *attestation {
	return &attestation{attester: attester, policy: policy, log: log, changed: changed, due: make(chan struct{}, 1)}
}

// ask makes run get a new token soon.
func (a *attestation) ask() {
	select {
	case a.due <- struct{}{}:
	default:
	}
}

// run gets a token when it was asked to, when the last one expires, and again
// where the last attempt failed in a way that may pass. It returns when ctx ends.
func (a *attestation) run(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.due:
		case <-again:
		}
		token, err := a.attester.Attest(ctx)
		if ctx.Err() != nil {
			return
		}
		a.note(ctx, attested{token, err})
		again = nil
		if wait := a.latest.Load().next(time.Now()); wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(attestEvery):
		}
	}
}

// next is how long the outcome is good for; 0 if nothing would change by itself.
func (o *attested) next(now time.Time) time.Duration {
	if failure := o.failure(); failure != nil {
		if failure.Temporary() {
			return attestAgain
		}
		return 0
	}
	return max(o.token.Claims.Expires.Sub(now), attestAgain)
}

// failure is why there is no token, or none that was checked.
func (o *attested) failure() *skrclient.Error {
	if o.token != nil {
		return o.token.Unchecked
	}
	return skrclient.AsError(o.err)
}

func (a *attestation) note(ctx context.Context, outcome attested) {
	before := a.latest.Swap(&outcome)
	failure := outcome.failure()
	switch {
	case failure == nil:
		a.log.LogAttrs(ctx, slog.LevelInfo, "attestation token checked", slog.Time("expires", outcome.token.Claims.Expires))
	case before == nil || before.failure() == nil || *before.failure() != *failure:
		a.log.LogAttrs(ctx, slog.LevelWarn, "no attestation token that is checked", slog.String("error", failure.Error()), slog.String("hint", failure.Hint()))
	}
	a.changed()
}

// token is the latest token, for verification elsewhere.
func (a *attestation) token() (string, bool) {
	latest := a.latest.Load()
	if latest == nil || latest.token == nil {
		return "", false
	}
	return latest.token.Token(), true
}

// status puts the latest token, and what is expected of it, into the page's terms.
func (a *attestation) status() web.Attestation {
	latest := a.latest.Load()
	if latest == nil {
		return web.Attestation{}
	}
	status := web.Attestation{State: web.AttestationChecked, Compared: a.policy != nil}
	if failure := latest.failure(); failure != nil {
		status.State, status.Reason, status.Hint = web.AttestationUnchecked, string(failure.Cause), failure.Hint()
	}
	if latest.token == nil {
		status.State = web.AttestationFailed
		return status
	}
	status.Issued, status.Expires = latest.token.Claims.Issued, latest.token.Claims.Expires
	for _, check := range latest.token.Compare(a.policy) {
		status.Checks = append(status.Checks, web.Check{Claim: check.Claim, Expected: check.Expected, Actual: check.Actual, Result: web.CheckResult(check.Result)})
	}
	return status
}
