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
	firstDelay = time.Second
	maxDelay   = time.Minute
	againEvery = 10 * time.Second
)

// OutcomeReleased is the outcome of a try that gave a key; every other outcome is a [Kind].
const OutcomeReleased = "released"

// Releaser is where keys come from: a [Client], a [Hub] or a [File].
type Releaser interface {
	// Check reports what is wrong with a request, without repeating its values.
	Check(request Request) error
	// Release makes one try.
	Release(ctx context.Context, request Request) (*rsa.PrivateKey, error)
}

// KeeperConfig says what to ask for and whom to tell.
type KeeperConfig struct {
	Client   Releaser
	Requests []Request // at least one; names must differ
	// OnKeys is called with every key held, in the order of the requests, each time that a key arrives or changes.
	// Optional. It is called from Run, before the status shows the keys.
	OnKeys func(keys []Key)
	// OnAttempt is called after each try with its outcome: OutcomeReleased or a Kind. Optional.
	OnAttempt func(outcome string)
	// OnChange is called with each new status. Optional.
	OnChange func(status Status)
	Logger   *slog.Logger
}

// Keeper asks for keys until it has them all.
type Keeper struct {
	cfg    KeeperConfig
	status atomic.Pointer[Status]
	ended  atomic.Pointer[time.Time] // the end of the last round; nil while one is under way
	again  atomic.Bool               // a round on demand is due
	wake   chan struct{}             // again has become true
}

// NewKeeper checks the configuration; nothing is asked before Run.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Client == nil || cfg.Logger == nil || len(cfg.Requests) == 0 {
		return nil, errors.New("checking keeper: want a client, a logger and at least one request")
	}
	cfg.Requests = slices.Clone(cfg.Requests)
	keys := make([]KeyState, len(cfg.Requests))
	for i, request := range cfg.Requests {
		if err := cfg.Client.Check(request); err != nil {
			return nil, fmt.Errorf("checking request %d: %w", i+1, err)
		}
		if slices.ContainsFunc(keys[:i], func(key KeyState) bool { return key.Name == request.KeyName }) {
			return nil, fmt.Errorf("checking request %d: the key name is there twice", i+1)
		}
		keys[i] = KeyState{Name: request.KeyName, State: StateWaiting}
	}
	k := &Keeper{cfg: cfg, wake: make(chan struct{}, 1)}
	first := Status{}.next(keys, time.Now())
	k.status.Store(&first)
	return k, nil
}

// Status returns what is known now. It never waits for a try that is under way.
func (k *Keeper) Status() Status {
	status := *k.status.Load()
	status.Keys = slices.Clone(status.Keys)
	return status
}

// Again makes Run ask for every key once more, also for those it holds: the answer may have changed. It does so at once,
// or 10 seconds after the end of the last round, whatever that round's reason was: the services see no more than one
// try in 10 seconds on demand, and a demand while a round is under way, which may not see what has changed, is not
// lost. At is when it asks at the soonest. Demands that wait are one: the second is not accepted, since nothing follows
// from it. Regular rounds go on at their own pace, which a demand does not reset.
func (k *Keeper) Again() (at time.Time, accepted bool) {
	at = time.Now()
	if ended := k.ended.Load(); ended == nil {
		at = at.Add(againEvery)
	} else if soonest := ended.Add(againEvery); soonest.After(at) {
		at = soonest
	}
	accepted = k.again.CompareAndSwap(false, true)
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
	return at, accepted
}

// Run asks in rounds, 1 to 60 seconds apart and a minute apart where the cause needs a person, until every key is
// here, and then waits for [Keeper.Again]. It returns only when ctx ends, with its cause. Call it once.
func (k *Keeper) Run(ctx context.Context) error {
	keys := k.Status().Keys
	for failures := 0; ; {
		k.round(ctx, keys, k.again.Swap(false))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		ended := time.Now()
		k.ended.Store(&ended)
		if status := k.status.Load(); status.State != StateReleased {
			k.plan(ended.Add(delay(failures, keys)))
			failures++
		} else {
			failures = 0
			k.plan(time.Time{})
		}
		if err := k.wait(ctx, ended.Add(againEvery)); err != nil {
			return err
		}
		k.ended.Store(nil)
	}
}

// wait returns when the planned round is due, or one on demand, for which it is too early before the given time.
func (k *Keeper) wait(ctx context.Context, soonest time.Time) error {
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
			if k.again.Load() && (next.IsZero() || soonest.Before(next)) {
				k.plan(soonest)
			}
		}
	}
}

func (k *Keeper) plan(next time.Time) {
	status := *k.status.Load()
	status.NextAttempt = next
	k.publish(status)
}

// round asks once for each key that is missing, or for all of them, and publishes after each answer.
func (k *Keeper) round(ctx context.Context, keys []KeyState, all bool) {
	status := *k.status.Load()
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
			k.cfg.OnKeys(held(keys))
		}
		k.publish(k.status.Load().next(keys, time.Now()))
	}
}

// record notes the outcome of one try and reports whether the keys held have changed.
func (k *Keeper) record(ctx context.Context, key *KeyState, private *rsa.PrivateKey, err error) (changed bool) {
	outcome := OutcomeReleased
	if err != nil {
		failure := AsError(err)
		failure.KeyName = key.Name
		outcome = string(failure.Kind)
		if key.Last == nil || *key.Last != *failure { // the same again every minute would only fill the log
			k.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "key not released", slog.String("error", failure.Error()), slog.String("hint", failure.Hint()))
		}
		key.Last = failure
		if key.State != StateReleased {
			key.State = stateOf(failure)
		}
	} else {
		changed = key.private == nil || !key.private.Equal(private)
		key.State, key.Last, key.private = StateReleased, nil, private
		k.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "key received", slog.String("key_name", key.Name), slog.Int("bits", private.N.BitLen()))
	}
	if k.cfg.OnAttempt != nil {
		k.cfg.OnAttempt(outcome)
	}
	return changed
}

func (k *Keeper) publish(status Status) {
	status.Keys = slices.Clone(status.Keys)
	k.status.Store(&status)
	if k.cfg.OnChange != nil {
		k.cfg.OnChange(k.Status())
	}
}

func held(keys []KeyState) []Key {
	var list []Key
	for _, key := range keys {
		if key.private != nil {
			list = append(list, Key{Name: key.Name, private: key.private})
		}
	}
	return list
}

// delay doubles with each failed round; the random half keeps the pods of a deployment apart.
func delay(failures int, keys []KeyState) time.Duration {
	full := min(firstDelay<<min(failures, 6), maxDelay)
	if !slices.ContainsFunc(keys, func(key KeyState) bool { return key.State != StateReleased && key.Last.Temporary() }) {
		full = maxDelay
	}
	return full/2 + rand.N(full/2) //nolint:gosec // jitter needs no secrecy
}
