package producer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/health"
	"kafka-e2ee/settings"
)

// keyFiles follows PUBKEY_FILE and SIGNING_KEY_FILE, and makes a sealer for their keys. If they change and cannot be used,
// the keys before stay in use for the grace, so that a typo stops nobody at once. Then nothing is sealed until the files
// are usable again: the keys before may be those of a reader who must not read any longer.
type keyFiles struct {
	reloader settings.Reloader
	sealer   *envelope.Sealer // for the keys that were last accepted
	grace    time.Duration
	log      *slog.Logger

	unusableSince atomic.Pointer[time.Time] // nil: the files are usable
	mu            sync.Mutex
	err           error         // why they are not
	usable        chan struct{} // closed when they are again
	stopLogged    bool          // that the grace is over
}

func newKeyFiles(c Config, log *slog.Logger) *keyFiles {
	k := &keyFiles{grace: c.PublicKeyGrace, log: log}
	for _, file := range []settings.Source{{Variable: "PUBKEY_FILE", Path: c.PublicKeyFile}, {Variable: "SIGNING_KEY_FILE", Path: c.SigningKeyFile}} {
		if file.IsSet() {
			k.reloader.Sources = append(k.reloader.Sources, file)
		}
	}
	k.reloader.Use = func(_ [][]byte, changed bool) error {
		if !changed {
			return nil
		}
		sealer, err := c.newEnvelopeSealer()
		if err == nil {
			k.sealer = sealer
		}
		return err
	}
	return k
}

// load reads the files for the first time.
func (k *keyFiles) load() error { return k.reloader.Reload().Err }

// reload reads the files again. It passes a new sealer to use if their keys have changed.
func (k *keyFiles) reload(ctx context.Context, use func(*envelope.Sealer)) {
	result := k.reloader.Reload()
	if result.Changed {
		use(k.sealer)
		k.log.InfoContext(ctx, "keys changed, sealing with the new ones")
	}
	if result.Err == nil {
		if k.recover() && !result.Changed {
			k.log.InfoContext(ctx, "the key files are as before, sealing goes on")
		}
		return
	}
	k.fail(result.Err, time.Now())
	switch stopped := k.stopped(); {
	case stopped && (!k.stopLogged || !result.Repeat):
		k.stopLogged = true
		k.log.ErrorContext(ctx, "keys changed and cannot be used, sealing nothing",
			slog.Any("error", result.Err), slog.String("hint", "fix the file; messages wait, and none is lost"))
	case !stopped && !result.Repeat:
		k.log.ErrorContext(ctx, "keys changed and cannot be used, sealing with the ones before",
			slog.Any("error", result.Err), slog.String("for", k.grace.String()), slog.String("hint", "fix the file; after this time nothing is sealed"))
	}
}

// fail stores why the files cannot be used, and since when if it is new.
func (k *keyFiles) fail(err error, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
	if k.unusableSince.Load() == nil {
		k.usable = make(chan struct{})
		k.unusableSince.Store(&now)
	}
}

// recover lets sealing go on. It reports whether the files were unusable before.
func (k *keyFiles) recover() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unusableSince.Swap(nil) == nil {
		return false
	}
	k.err, k.stopLogged = nil, false
	close(k.usable)
	return true
}

// stopped reports whether nothing may be sealed. Of the two clocks it believes the one that is ahead: the wall clock may be
// set back, and the other one stops while the machine sleeps.
func (k *keyFiles) stopped() bool {
	since := k.unusableSince.Load()
	if since == nil {
		return false
	}
	now := time.Now()
	return max(now.Sub(*since), now.Round(0).Sub(since.Round(0))) >= k.grace
}

var errKeysUnusable = errors.New("sealing message: the key files cannot be used (hint: fix PUBKEY_FILE or SIGNING_KEY_FILE)")

// wait waits while nothing may be sealed. The only error is the end of drainCtx.
func (k *keyFiles) wait(drainCtx context.Context) error {
	for k.stopped() {
		k.mu.Lock()
		usable := k.usable
		k.mu.Unlock()
		select {
		case <-usable:
		case <-drainCtx.Done():
			return errKeysUnusable
		}
	}
	return nil
}

// The states of key files that cannot be used, in /readyz.
const (
	keysStale   = "stale"   // messages are sealed with the keys before
	keysStopped = "stopped" // nothing is sealed until the file is fixed
)

// missing says what is wrong with the key files, for /readyz.
func (k *keyFiles) missing() []health.Missing {
	stopped := k.stopped()
	k.mu.Lock()
	defer k.mu.Unlock()
	since := k.unusableSince.Load()
	if since == nil {
		return nil
	}
	keys := health.Missing{Part: "keys", State: keysStale, Since: *since, Detail: k.err.Error()}
	if stopped {
		keys.State, keys.Since = keysStopped, since.Add(k.grace)
	}
	return []health.Missing{keys}
}
