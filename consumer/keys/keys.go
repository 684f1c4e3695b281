package keys

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/podstatus"
)

// Config holds the callbacks of a [Requester]. All fields are required.
type Config struct {
	SetKeys    func([]*rsa.PrivateKey) error // decrypts with these keys from now on
	OnAttempt  func(outcome string)          // after each request for a key; see [skrclient.KeeperConfig]
	OnReleased func()                        // every key is released
	OnChange   func()                        // the status has changed
	Log        *slog.Logger
}

// Requester requests the keys of a source until it has all of them.
type Requester struct {
	cfg         Config
	keeper      *skrclient.Keeper // nil if no key is asked for
	attestation *attestation      // nil if nothing can attest
	fixed       podstatus.Key     // the part of the status that never changes
	started     time.Time

	// keyring holds the last maxKeys keys that were released to this process. After a rotation the vault releases the
	// new key under the old one's name, and older records still need the old one. Only the keeper's goroutine uses it.
	keyring []*rsa.PrivateKey
	ranks   map[string]int // of the keyring's keys, by their ids
	names   []string       // of the keys that are asked for

	mu           sync.Mutex
	held         []podstatus.HeldKey // what is in the keyring, the newest first
	nextRefresh  time.Time           // when RefreshOnUnknownKey may ask again
	refreshDelay time.Duration
}

// New returns a Requester that requests nothing if settings are missing, and logs which.
func New(source *Source, cfg Config) (*Requester, error) {
	k := &Requester{
		cfg: cfg, started: time.Now(), names: source.names,
		fixed: podstatus.Key{Provider: source.Provider, URL: source.url(), Verify: source.verifyCommand(), ExpectedIDs: source.expectedIDs},
	}
	if unset := source.unset(); len(unset) > 0 {
		cfg.Log.Warn("no key is asked for, so what is encrypted stays so", slog.String("hint", "set "+strings.Join(unset, ", ")))
		if source.wantsKey() {
			k.fixed.Missing = unset
		}
		return k, nil
	}
	if source.attester != nil {
		k.attestation = newAttestation(source.attester, source.policy, cfg.Log, cfg.OnChange)
	}
	if source.Provider == providerFile {
		cfg.Log.Warn("the key is read from a file, nothing is attested: for development only", slog.String("hint", "set KEY_PROVIDER=skr"))
	}
	var err error
	k.keeper, err = skrclient.NewKeeper(skrclient.KeeperConfig{
		Client: source.releaser, Requests: source.requests(), ExpectedIDs: source.expectedIDs, Logger: cfg.Log,
		OnKeys: k.addReleased,
		OnAttempt: func(outcome string) {
			cfg.OnAttempt(outcome)
			switch outcome {
			case skrclient.OutcomeReleased, string(skrclient.KindRefused), string(skrclient.KindUnexpected):
				if k.attestation != nil {
					k.attestation.request()
				}
			}
		},
		OnChange: func(status skrclient.Status) {
			if status.State == skrclient.StateReleased {
				cfg.OnReleased()
			}
			cfg.OnChange()
		},
	})
	if err != nil {
		return nil, fmt.Errorf("SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint: %w", err)
	}
	return k, nil
}

// Run asks for the keys, and returns when ctx ends.
func (k *Requester) Run(ctx context.Context) {
	if k.keeper == nil {
		return
	}
	var parts sync.WaitGroup
	if k.attestation != nil {
		parts.Go(func() { k.attestation.run(ctx) })
	}
	_ = k.keeper.Run(ctx) //nolint:errcheck // it returns only because ctx has ended
	parts.Wait()
}

// addReleased adds the keys that were released to the keyring.
func (k *Requester) addReleased(released []skrclient.KeyState) {
	held := make([]*rsa.PrivateKey, len(released))
	for i, key := range released {
		held[i] = key.Private()
	}
	keyring, dropped := addKeys(k.keyring, held)
	if dropped > 0 {
		k.cfg.Log.Warn("too many keys were released to this process, the oldest are dropped", slog.Int("dropped", dropped), slog.Int("limit", maxKeys))
	}
	if err := k.cfg.SetKeys(keyring); err != nil {
		k.cfg.Log.Error("released keys cannot be used", slog.String("error", err.Error()))
		return
	}
	k.keyring, k.ranks = keyring, ranksOf(k.ranks, keyring, released, k.names)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = heldKeys(k.held, keyring, k.ranks, time.Now())
	k.nextRefresh, k.refreshDelay = time.Time{}, 0
}

// Refresh asks for the keys again, as soon as the keeper allows it.
func (k *Requester) Refresh() {
	if k.keeper != nil {
		k.keeper.Refresh()
	}
}

// The delay between two refreshes for unknown keys. Writers choose the names of keys, and must not keep the sidecar busy.
const (
	minRefreshDelay = 20 * time.Second
	maxRefreshDelay = 10 * time.Minute
)

// RefreshOnUnknownKey requests the keys again because a record names a key that this process does not hold: the vault
// may have it by now. Each unsuccessful refresh doubles the delay before the next.
func (k *Requester) RefreshOnUnknownKey() {
	if k.keeper == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().Before(k.nextRefresh) {
		return
	}
	if !k.keeper.Refresh() {
		return
	}
	k.refreshDelay = min(max(2*k.refreshDelay, minRefreshDelay), maxRefreshDelay)
	k.nextRefresh = time.Now().Add(k.refreshDelay)
	k.cfg.Log.Info("a record names an unknown key, asking for the keys again", slog.String("not_again_for", k.refreshDelay.String()))
}

// Token returns this pod's latest attestation token, for verification elsewhere.
func (k *Requester) Token() (token string, ok bool) {
	if k.attestation == nil {
		return "", false
	}
	return k.attestation.token()
}
