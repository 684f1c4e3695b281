package consumer

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web"
)

// keys gets the private keys and says how that went.
type keys struct {
	keeper  *skrclient.Keeper // nil where no key is asked for
	url     string
	started time.Time
	opener  *envelope.Opener
	metrics *metrics
	log     *slog.Logger
	arrived func() // opens again what could not be opened before

	// ring counts how often the keys changed, so that a record that was being
	// opened meanwhile is not forgotten.
	ring atomic.Uint64
}

func newKeys(cfg Config, opener *envelope.Opener, m *metrics, log *slog.Logger, arrived, changed func()) (*keys, error) {
	k := &keys{url: cfg.SkrURL, started: time.Now(), opener: opener, metrics: m, log: log, arrived: arrived}
	if !cfg.asksForKey() {
		return k, nil
	}
	client, err := cfg.sidecar()
	if err != nil {
		return nil, fmt.Errorf("SKR_URL: %w", err)
	}
	var requests []skrclient.Request
	for _, name := range cfg.keyNames() {
		requests = append(requests, skrclient.Request{KeyName: name, MAAEndpoint: cfg.MAAEndpoint, AKVEndpoint: cfg.AKVEndpoint})
	}
	k.keeper, err = skrclient.NewKeeper(skrclient.KeeperConfig{
		Client: client, Requests: requests, Logger: log,
		OnKeys:    k.use,
		OnAttempt: func(outcome string) { m.attempts.WithLabelValues(outcome).Inc() },
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
	if k.keeper != nil {
		_ = k.keeper.Run(ctx) //nolint:errcheck // it is always the end of ctx
	}
}

func (k *keys) use(held []skrclient.Key) {
	private := make([]*rsa.PrivateKey, len(held))
	for i, key := range held {
		private[i] = key.Private()
	}
	if err := k.opener.SetKeys(private...); err != nil {
		k.log.Error("released keys cannot be used", slog.String("error", err.Error()))
		return
	}
	k.ring.Add(1)
	k.arrived()
}

// status puts what the keeper knows into the page's terms.
func (k *keys) status() web.KeyStatus {
	if k.keeper == nil {
		return web.KeyStatus{State: web.KeyNotConfigured, Since: k.started}
	}
	s := k.keeper.Status()
	status := web.KeyStatus{
		State: keyState(s.State), Since: s.Since, Attempts: s.Attempts, NextAttempt: s.NextAttempt, URL: k.url,
	}
	if s.Last != nil {
		status.Step, status.Reason, status.Hint = string(s.Last.Step), string(s.Last.Cause), s.Last.Hint()
	}
	for _, key := range s.Keys {
		info := web.KeyInfo{Name: key.Name, State: keyState(key.State)}
		if private := key.Private(); private != nil {
			info.ID = envelope.KeyID(&private.PublicKey)
		}
		status.Keys = append(status.Keys, info)
	}
	return status
}

func keyState(s skrclient.State) web.KeyState {
	switch s {
	case skrclient.StateReleased:
		return web.KeyReleased
	case skrclient.StateRefused:
		return web.KeyRefused
	case skrclient.StateUnreachable:
		return web.KeyUnreachable
	default:
		return web.KeyWaiting
	}
}
