// Package pagetoken keeps an attestation token about the page's TLS key, and serves it to viewers, who verify with it that
// the page comes from an attested pod (package skrclient/attested is the protocol).
//
//	tokens, err := pagetoken.New(pagetoken.Config{…})
//	go tokens.Run(ctx)
//	tokens.SetKeys(ids)      // of the keys that the pod holds
//	tokens.ServeHTTP(w, r)   // at the attested address only
//
// The token is not secret. It tells the ids of keys, the firmware's versions, and when the pod was attested.
package pagetoken

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/attested"
)

const (
	renewEvery   = time.Hour
	retryAfter   = time.Minute            // after a failure
	minInterval  = 10 * time.Second       // between two attestations, however many ask
	gatherNonces = 250 * time.Millisecond // after the first nonce, so that viewers who ask at once share an attestation
)

// Key is the page's TLS key, as [kafka-e2ee/web/access.AttestedKey] is.
type Key interface {
	SPKI() [sha256.Size]byte
	RenewIfDue(now time.Time) error
}

// outcomeMade is the outcome of a successful attestation. Every other outcome is a [skrclient.Kind].
const outcomeMade = "made"

// Config configures a Server. Attest is nil if nothing can attest this pod; all else is required.
type Config struct {
	Attest     func(ctx context.Context, runtimeData []byte) (token string, expires time.Time, err error)
	Key        Key
	OnChange   func() // Ready may have changed
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Server keeps a token and serves it. It is safe for concurrent use.
type Server struct {
	cfg          Config
	wake         chan struct{} // an attestation is wanted
	queue        queue
	attestations *prometheus.CounterVec // by outcome

	mu          sync.Mutex
	keyIDs      []string
	latest      result // the latest token
	failed      *skrclient.Error
	started     time.Time // when the latest attestation was started
	failedSince time.Time // when those failures began
}

// result is a token, as the document that holds it, or the reason why there is none.
type result struct {
	document []byte
	spki     [sha256.Size]byte // of the key that it is for
	expires  time.Time
	err      *skrclient.Error
}

// New makes a Server and registers its metrics.
func New(cfg Config) (*Server, error) {
	if cfg.Key == nil || cfg.OnChange == nil || cfg.Registerer == nil || cfg.Log == nil {
		return nil, errors.New("making the page's token: an option is missing")
	}
	s := &Server{
		cfg: cfg, wake: make(chan struct{}, 1), started: time.Now(),
		attestations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "e2ee_page_attestations_total", Help: "Attestations of the page's TLS key, by outcome."}, []string{"outcome"}),
	}
	s.attestations.WithLabelValues(outcomeMade)
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "e2ee_page_attestation_expiry_timestamp_seconds", Help: "When the attestation of the page's TLS key expires, as Unix time; 0 if there is none.",
	}, s.expiry)
	return s, errors.Join(cfg.Registerer.Register(s.attestations), cfg.Registerer.Register(expiry))
}

// SetKeys tells the ids of the keys that this pod holds. The token then names them as soon as possible.
func (s *Server) SetKeys(ids []string) {
	s.mu.Lock()
	s.keyIDs = slices.Clone(ids[max(0, len(ids)-attested.MaxKeyIDs):])
	s.mu.Unlock()
	s.attestSoon()
}

// attestSoon makes Run attest as soon as the pace allows.
func (s *Server) attestSoon() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run attests hourly, or after half of a token's life if that is sooner, and whenever it is told to, until ctx ends. It also
// renews the TLS key.
func (s *Server) Run(ctx context.Context) {
	for {
		if err := s.cfg.Key.RenewIfDue(time.Now()); err != nil {
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "the page's TLS key cannot be renewed: the one before stays in use", slog.String("error", err.Error()))
		}
		started, next := time.Now(), renewEvery
		if s.cfg.Attest != nil {
			next = s.attest(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		case <-s.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(gatherNonces, time.Until(started.Add(minInterval)))):
		}
	}
}

// attest asks for one token, for the key, the key ids and the nonces of now, and answers those who wait for it. It returns
// when the next one is due.
func (s *Server) attest(ctx context.Context) (next time.Duration) {
	select {
	case <-s.wake: // what it was for is taken into account
	default:
	}
	waiting := s.queue.take()
	s.mu.Lock()
	data := attested.RuntimeData{KeyHash: s.cfg.Key.SPKI(), KeyIDs: s.keyIDs}
	s.started = time.Now()
	s.mu.Unlock()
	for _, w := range waiting {
		data.Nonces = append(data.Nonces, w.nonce)
	}
	made := s.request(ctx, data)
	if ctx.Err() != nil {
		return 0 // those who wait notice by themselves
	}
	s.record(ctx, made)
	for _, w := range waiting {
		w.answer <- made
	}
	if made.err != nil {
		return retryAfter
	}
	return min(renewEvery, max(time.Until(made.expires)/2, retryAfter))
}

func (s *Server) request(ctx context.Context, data attested.RuntimeData) result {
	failed := func(err error) result { return result{spki: data.KeyHash, err: skrclient.AsError(err)} }
	text, err := json.Marshal(data)
	if err != nil {
		return failed(err)
	}
	token, expires, err := s.cfg.Attest(ctx, text)
	if err != nil {
		return failed(err)
	}
	document, err := attested.MarshalDocument(token)
	if err != nil {
		return failed(err)
	}
	return result{document: document, spki: data.KeyHash, expires: expires}
}

// record keeps a token. It logs the first one, and a failure that differs from the last.
func (s *Server) record(ctx context.Context, made result) {
	s.mu.Lock()
	had, before := s.latest.document != nil, s.failed
	if s.failed = made.err; made.err == nil {
		s.latest = made
	} else if before == nil {
		s.failedSince = time.Now()
	}
	s.mu.Unlock()
	outcome := outcomeMade
	switch {
	case made.err != nil:
		outcome = string(made.err.Kind)
		if before == nil || *before != *made.err {
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the page's TLS key is not attested", slog.String("error", made.err.Error()), slog.String("hint", made.err.Hint()))
		}
	case !had || before != nil:
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "the page's TLS key is attested", slog.Time("expires", made.expires))
	}
	s.attestations.WithLabelValues(outcome).Inc()
	s.cfg.OnChange()
}
