package skrclient

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
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

// Releaser makes one try; [Client] is one.
type Releaser interface {
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
	again  chan struct{}

	mu        sync.Mutex
	nextAgain time.Time
}

// NewKeeper checks the configuration; nothing is asked before Run.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Client == nil || cfg.Logger == nil || len(cfg.Requests) == 0 {
		return nil, errors.New("checking keeper: want a client, a logger and at least one request")
	}
	cfg.Requests = slices.Clone(cfg.Requests)
	keys := make([]KeyState, len(cfg.Requests))
	for i, request := range cfg.Requests {
		if err := request.Validate(); err != nil {
			return nil, fmt.Errorf("checking request %d: %w", i+1, err)
		}
		if slices.ContainsFunc(keys[:i], func(key KeyState) bool { return key.Name == request.KeyName }) {
			return nil, fmt.Errorf("checking request %d: the key name is there twice", i+1)
		}
		keys[i] = KeyState{Name: request.KeyName, State: StateWaiting}
	}
	k := &Keeper{cfg: cfg, again: make(chan struct{}, 1)}
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

// Again makes Run ask at once for every key, also for those it holds: the answer may have changed. It is accepted at
// most once in 10 seconds; next is when it will be accepted again.
func (k *Keeper) Again() (next time.Time, accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if now.Before(k.nextAgain) {
		return k.nextAgain, false
	}
	k.nextAgain = now.Add(againEvery)
	select {
	case k.again <- struct{}{}:
	default: // one is waiting already
	}
	return k.nextAgain, true
}

// Run asks in rounds, 1 to 60 seconds apart and a minute apart where the cause needs a person, until every key is
// here, and then waits for [Keeper.Again]. It returns only when ctx ends, with its cause. Call it once.
func (k *Keeper) Run(ctx context.Context) error {
	keys := k.Status().Keys
	for failures, all := 0, false; ; {
		k.round(ctx, keys, all)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		all = false
		var timer <-chan time.Time
		status := *k.status.Load()
		if status.State != StateReleased {
			wait := delay(failures, keys)
			failures++
			timer = time.After(wait)
			status.NextAttempt = time.Now().Add(wait)
		}
		k.publish(status)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer:
		case <-k.again:
			failures, all = 0, true
		}
	}
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
		failure := asError(key.Name, err)
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
		k.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "key released", slog.String("key_name", key.Name), slog.Int("bits", private.N.BitLen()))
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

// asError keeps the words of an error of unknown origin out of the status and the log.
func asError(name string, err error) *Error {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure
	}
	return &Error{KeyName: name, Step: StepKey, Kind: KindFailed, Cause: CauseNoReleaser}
}

// delay doubles with each failed round; the random half keeps the pods of a deployment apart.
func delay(failures int, keys []KeyState) time.Duration {
	full := min(firstDelay<<min(failures, 6), maxDelay)
	if !slices.ContainsFunc(keys, func(key KeyState) bool { return key.State != StateReleased && key.Last.Temporary() }) {
		full = maxDelay
	}
	return full/2 + rand.N(full/2) //nolint:gosec // jitter needs no secrecy
}
