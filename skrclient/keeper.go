package skrclient

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	minBackoff      = time.Second
	maxBackoff      = time.Minute
	refreshInterval = 10 * time.Second
)

// OutcomeReleased is the outcome of a successful attempt. Every other outcome is a [Kind].
const OutcomeReleased = "released"

// Releaser is a source of keys: a [Client], a [Hub] or a [File].
type Releaser interface {
	// Check reports the problems of a request, without repeating its values.
	Check(request Request) error
	// Release makes one attempt.
	Release(ctx context.Context, request Request) (*rsa.PrivateKey, error)
}

// KeeperConfig configures a [Keeper].
type KeeperConfig struct {
	Client   Releaser
	Requests []Request // at least one; names must differ
	// ExpectedIDs are the ids of the keys that may be used: RFC 7638 thumbprints of their public halves. Any other key
	// that is released is dropped, and counts as a failure. If empty, every key may be used.
	ExpectedIDs []string
	// OnKeys gets every released key, in the order of the requests, each time a key arrives or changes. Optional. Run
	// calls it before the status shows the keys.
	OnKeys func(keys []KeyState)
	// OnAttempt gets the outcome of each attempt: OutcomeReleased or a Kind. Optional.
	OnAttempt func(outcome string)
	// OnChange gets each new status. Optional.
	OnChange func(status Status)
	Logger   *slog.Logger
}

// Keeper retries until it has every key.
type Keeper struct {
	cfg     KeeperConfig
	status  atomic.Pointer[Status]
	refresh atomic.Bool   // the next round asks for every key
	wake    chan struct{} // refresh was set
}

// NewKeeper checks the configuration. It sends no request before Run.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Client == nil || cfg.Logger == nil || len(cfg.Requests) == 0 {
		return nil, errors.New("checking keeper: want a client, a logger and at least one request")
	}
	cfg.Requests, cfg.ExpectedIDs = slices.Clone(cfg.Requests), slices.Clone(cfg.ExpectedIDs)
	keys := make([]KeyState, len(cfg.Requests))
	for i, request := range cfg.Requests {
		if err := cfg.Client.Check(request); err != nil {
			return nil, fmt.Errorf("checking request %d: %w", i+1, err)
		}
		if slices.ContainsFunc(keys[:i], func(key KeyState) bool { return key.Name == request.KeyName }) {
			return nil, fmt.Errorf("checking request %d: duplicate key name", i+1)
		}
		keys[i] = KeyState{Name: request.KeyName, State: StateWaiting}
	}
	k := &Keeper{cfg: cfg, wake: make(chan struct{}, 1)}
	first := Status{}.withKeys(keys, time.Now())
	k.status.Store(&first)
	return k, nil
}

// Status returns the current status. It never waits for an attempt in flight.
func (k *Keeper) Status() Status {
	status := *k.status.Load()
	status.Keys = slices.Clone(status.Keys)
	return status
}

// Refresh makes Run request every key once more, even the keys it holds, because the response may have changed. Run
// does so at once, but no sooner than 10 seconds after the end of the last refresh, to protect the services. A refresh
// during a round is postponed to the next one, because the current round may be too early to see the change. Pending
// requests coalesce; accepted is false if one is already pending. Refresh does not reset the pace of the regular
// rounds.
func (k *Keeper) Refresh() (accepted bool) {
	accepted = k.refresh.CompareAndSwap(false, true)
	select {
	case k.wake <- struct{}{}:
	default: // Run has yet to read the last wake
	}
	return accepted
}

// Run asks in rounds until every key is released, and then waits for [Keeper.Refresh]. Rounds are 1 to 60 seconds
// apart, or 30 to 60 if only a person can fix the failures. Run returns only after ctx has ended, with its cause. Call
// it once.
func (k *Keeper) Run(ctx context.Context) error {
	keys := k.Status().Keys
	earliestRefresh := time.Now()
	for failures := 0; ; {
		all := k.refresh.Swap(false)
		k.round(ctx, keys, all)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		ended := time.Now()
		if all {
			earliestRefresh = ended.Add(refreshInterval)
		}
		if status := k.status.Load(); status.State != StateReleased {
			k.schedule(ended.Add(backoff(failures, keys)))
			failures++
		} else {
			failures = 0
			k.schedule(time.Time{})
		}
		if err := k.wait(ctx, earliestRefresh); err != nil {
			return err
		}
	}
}

// wait returns when the next round is due. A refresh brings it forward, but not before the given time.
func (k *Keeper) wait(ctx context.Context, earliestRefresh time.Time) error {
	for {
		next := k.status.Load().NextAttempt
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer:
			return nil
		case <-k.wake:
			if k.refresh.Load() && (next.IsZero() || earliestRefresh.Before(next)) {
				k.schedule(earliestRefresh)
			}
		}
	}
}

func (k *Keeper) schedule(next time.Time) {
	status := *k.status.Load()
	status.NextAttempt = next
	k.publish(status)
}

// round asks once for each missing key, or for every key, and publishes the status after each response.
func (k *Keeper) round(ctx context.Context, keys []KeyState, all bool) {
	status := *k.status.Load()
	again := all && status.State == StateReleased
	status.Attempts++
	status.NextAttempt = time.Time{}
	k.publish(status)
	for i := range keys {
		if keys[i].State == StateReleased && !all {
			continue
		}
		private, err := k.cfg.Client.Release(ctx, k.cfg.Requests[i])
		if ctx.Err() != nil {
			return
		}
		changed := k.record(ctx, &keys[i], private, err)
		if changed && k.cfg.OnKeys != nil {
			k.cfg.OnKeys(slices.DeleteFunc(slices.Clone(keys), func(key KeyState) bool { return key.private == nil }))
		}
		k.publish(k.status.Load().withKeys(keys, time.Now()))
	}
	if status := *k.status.Load(); again && status.State == StateReleased && status.Last == nil {
		status.Confirmed = time.Now()
		k.publish(status)
	}
}

// record stores the outcome of one attempt and reports whether the key has changed.
func (k *Keeper) record(ctx context.Context, key *KeyState, private *rsa.PrivateKey, err error) (changed bool) {
	outcome, unexpectedID := OutcomeReleased, ""
	if err == nil {
		unexpectedID, err = k.checkID(private)
	}
	if err != nil {
		failure := AsError(err)
		failure.KeyName = key.Name
		outcome = string(failure.Kind)
		if key.Last == nil || *key.Last != *failure || key.UnexpectedID != unexpectedID { // the same failure every minute would flood the log
			log := k.cfg.Logger.With(slog.String("error", failure.Error()), slog.String("hint", failure.Hint()))
			if unexpectedID == "" {
				log.WarnContext(ctx, "key not released")
			} else {
				log.WarnContext(ctx, "unexpected key released, it is not used", slog.String("released", unexpectedID), slog.Any("expected", k.cfg.ExpectedIDs))
			}
		}
		key.Last = failure
		key.State = key.stateAfter(failure)
	} else {
		changed = key.private == nil || !key.private.Equal(private)
		key.State, key.Last, key.private = StateReleased, nil, private
		k.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "key received", slog.String("key_name", key.Name), slog.Int("bits", private.N.BitLen()))
	}
	key.UnexpectedID = unexpectedID
	if k.cfg.OnAttempt != nil {
		k.cfg.OnAttempt(outcome)
	}
	return changed
}

// checkID returns the id of a key, and an error, if the key is not one of those expected.
func (k *Keeper) checkID(private *rsa.PrivateKey) (unexpectedID string, err error) {
	if len(k.cfg.ExpectedIDs) == 0 {
		return "", nil
	}
	id, err := keyID(private)
	if err != nil {
		return "", err
	}
	if !slices.Contains(k.cfg.ExpectedIDs, id) {
		return id, &Error{Step: StepKey, Kind: KindUnexpected, Cause: CauseUnexpectedKey}
	}
	return "", nil
}

func (k *Keeper) publish(status Status) {
	status.Keys = slices.Clone(status.Keys)
	k.status.Store(&status)
	if k.cfg.OnChange != nil {
		k.cfg.OnChange(k.Status())
	}
}

// backoff doubles with each failed round. The random half spreads the pods of a deployment.
func backoff(failures int, keys []KeyState) time.Duration {
	full := min(minBackoff<<min(failures, 6), maxBackoff)
	if !slices.ContainsFunc(keys, func(key KeyState) bool { return key.State != StateReleased && key.Last.Temporary() }) {
		full = maxBackoff
	}
	return full/2 + rand.N(full/2) //nolint:gosec // jitter needs no secrecy
}
