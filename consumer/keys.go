package consumer

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web"
)

// keys gets the private keys and says how that went.
type keys struct {
	keeper  *skrclient.Keeper // nil where no key is asked for
	attest  *attestation      // nil where nothing can attest
	source  web.KeyStatus     // what never changes: where the keys come from
	started time.Time
	log     *slog.Logger
	arrived func([]*rsa.PrivateKey) error // opens with them from now on

	// ring is every key that was ever released to this process: after a rotation
	// the vault gives the new one under the old one's name, and the records
	// before it are still there. It is used by the keeper alone.
	ring []*rsa.PrivateKey

	mu   sync.Mutex
	next time.Time // when an unknown key may be looked for again
	wait time.Duration
}

func newKeys(cfg Config, m *metrics, log *slog.Logger, arrived func([]*rsa.PrivateKey) error, changed func()) (*keys, error) {
	k := &keys{source: web.KeyStatus{Provider: cfg.provider(), URL: cfg.keyURL(), Verify: cfg.verify()}, started: time.Now(), log: log, arrived: arrived}
	if !cfg.asksForKey() {
		log.Warn("no key is asked for, so what is encrypted stays so", slog.String("hint", "set SkrClientKID, SkrClientMAAEndpoint and SkrClientAKVEndpoint"))
		return k, nil
	}
	client, err := cfg.releaser()
	if err != nil {
		return nil, err
	}
	policy, err := cfg.policy()
	if err != nil {
		return nil, err
	}
	attester, err := cfg.attester(client)
	if err != nil {
		return nil, err
	}
	if attester != nil {
		k.attest = newAttestation(attester, policy, log, changed)
	}
	if cfg.provider() == providerFile {
		log.Warn("the key is read from a file, nothing is attested: for development only", slog.String("hint", "set KEY_PROVIDER=skr"))
	}
	k.keeper, err = skrclient.NewKeeper(skrclient.KeeperConfig{
		Client: client, Requests: cfg.requests(), Logger: log,
		OnKeys: k.use,
		OnAttempt: func(outcome string) {
			m.attempts.WithLabelValues(outcome).Inc()
			if k.attest != nil && (outcome == skrclient.OutcomeReleased || outcome == string(skrclient.KindRefused)) {
				k.attest.ask()
			}
		},
		OnChange: func(status skrclient.Status) {
			if status.State == skrclient.StateReleased {
				m.released.Set(1)
			}
			changed()
		},
	})
	if err != nil {
		return nil, fmt.Errorf("SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint: %w", err)
	}
	return k, nil
}

// run asks until every key is here, and returns when ctx ends.
func (k *keys) run(ctx context.Context) {
	if k.keeper == nil {
		return
	}
	var parts sync.WaitGroup
	if k.attest != nil {
		parts.Go(func() { k.attest.run(ctx) })
	}
	_ = k.keeper.Run(ctx) //nolint:errcheck // it is always the end of ctx
	parts.Wait()
}

func (k *keys) use(held []skrclient.Key) {
	ring := slices.Clone(k.ring)
	for _, key := range held {
		private := key.Private()
		if !slices.ContainsFunc(ring, func(old *rsa.PrivateKey) bool { return old.Equal(private) }) {
			ring = append(ring, private)
		}
	}
	if err := k.arrived(ring); err != nil {
		k.log.Error("released keys cannot be used", slog.String("error", err.Error()))
		return
	}
	k.ring = ring
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next, k.wait = time.Time{}, 0
}

// The wait between two looks for a key that records name and nobody has: the
// names are chosen by whoever writes, so they must not keep the sidecar busy.
const (
	firstLook = 20 * time.Second
	lastLook  = 10 * time.Minute
)

// look asks for the keys once more, since a record names one that is not here:
// it may be in the vault by now. In vain, it asks less and less often.
func (k *keys) look() {
	if k.keeper == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().Before(k.next) {
		return
	}
	if _, accepted := k.keeper.Again(); !accepted {
		return
	}
	k.wait = min(max(2*k.wait, firstLook), lastLook)
	k.next = time.Now().Add(k.wait)
	k.log.Info("a record names a key that is not here, asking for the keys again", slog.String("not_again_for", k.wait.String()))
}

// status puts what the keeper knows into the page's terms.
func (k *keys) status() web.KeyStatus {
	status := k.source
	if k.keeper == nil {
		status.State, status.Since = web.KeyNotConfigured, k.started
		return status
	}
	s := k.keeper.Status()
	status.State, status.Since, status.Attempts, status.NextAttempt = k.state(s.State), s.Since, s.Attempts, s.NextAttempt
	if k.attest != nil {
		status.Attestation = k.attest.status()
	}
	if s.Last != nil {
		status.Step, status.Reason, status.Hint = string(s.Last.Step), string(s.Last.Cause), s.Last.Hint()
		status.Passing = passing(s.Last)
		status.ByPolicy = s.Last.Cause == skrclient.CausePolicy || s.Last.Cause == skrclient.CauseForbidden
	}
	for _, key := range s.Keys {
		info := web.KeyInfo{Name: key.Name, State: k.state(key.State)}
		if private := key.Private(); private != nil {
			info.ID = envelope.KeyID(&private.PublicKey)
		}
		status.Keys = append(status.Keys, info)
	}
	return status
}

// passing tells a refusal that nobody decided from one that somebody did.
func passing(failure *skrclient.Error) web.Passing {
	switch failure.Cause {
	case skrclient.CauseThrottled:
		return web.PassingBusy
	case skrclient.CauseName, skrclient.CauseNetwork, skrclient.CauseService:
		return web.PassingAway
	default:
		return ""
	}
}

// token is this pod's latest attestation token, for verification elsewhere.
func (k *keys) token() (string, bool) {
	if k.attest == nil {
		return "", false
	}
	return k.attest.token()
}

// again asks for the keys once more, as soon as that is allowed.
func (k *keys) again() {
	if k.keeper != nil {
		k.keeper.Again()
	}
}

func (k *keys) state(s skrclient.State) web.KeyState {
	switch s {
	case skrclient.StateReleased:
		if k.source.Provider == providerFile {
			return web.KeyFromFile
		}
		return web.KeyReleased
	case skrclient.StateRefused:
		return web.KeyRefused
	case skrclient.StateUnreachable:
		return web.KeyUnreachable
	default:
		return web.KeyWaiting
	}
}
