// Package consumer reads a topic, decrypts the records for which this pod has a key, and shows every record on a page
// with its state.
//
// It starts without any of its dependencies: without a broker, topic, sidecar or key it serves the page, says what is
// missing, and continues as soon as it becomes available. [Run] is the whole program; cmd/consume adds the environment
// and signals.
//
// Plaintext is held in memory and served to whoever can reach the page. It is written nowhere else. Without settings
// for it, the page has no sign-in.
package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/health"
	"kafka-e2ee/settings"
	"kafka-e2ee/web"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// Build is the version of the program, for /metrics.
type Build = health.Build

// Run consumes and serves until ctx ends. It returns an error only if the program cannot work at all: wrong settings,
// or an address that it cannot listen on.
func Run(ctx context.Context, cfg Config, build Build, log *slog.Logger) error {
	if cfg.inputs == nil {
		var err error
		if cfg.inputs, err = cfg.check(); err != nil {
			return err
		}
	}
	limiter := fetchlimit.New(cfg.UnpackedBytes)
	page, err := listen(ctx, cfg.Access)
	if err != nil {
		return err
	}
	defer page.close()
	metrics := newMetrics(build, cfg.Topic)
	records := feed.New(cfg.WebHistory)
	records.SenderRequired = cfg.RequireSender != ""
	decryptor := newDecryptor(cfg.inputs.opener, cmp.Or(cfg.MirrorOf, cfg.Topic), limiter, metrics.decryptSeconds)
	attested, err := newAttestedPage(cfg, metrics, records.Changed, log)
	if err != nil {
		return err
	}
	keyRequester, err := keys.New(cfg.inputs.keys, keys.Config{
		SetKeys: attested.setKeys(decryptor), OnAttempt: metrics.countKeyRequest, OnReleased: metrics.setKeysReleased, OnChange: records.Changed, Log: log,
	})
	if err != nil {
		return err
	}
	metrics.registerKey(keyRequester.Status)
	pipeline := &pipeline{
		cfg: cfg, decryptor: decryptor, onUnknownKey: keyRequester.RefreshOnUnknownKey, feed: records, metrics: metrics, log: log,
		sequences: sequences{config: replay.Config{Require: cfg.inputs.opener.Require, Mirror: cfg.MirrorOf != ""}},
	}
	member, err := group.New(group.Config{
		Kafka: cfg.Settings, Topic: cfg.Topic, Group: cfg.Group, ReadUncommitted: cfg.Isolation == readUncommitted,
		UnpackedBytes: cfg.UnpackedBytes, Limiter: limiter, Handler: pipeline, Metrics: metrics, OnChange: records.Changed, Log: log,
	})
	if err != nil {
		return err
	}
	metrics.registerKafka(member.Status)
	kafkaStatus := func() podstatus.Kafka {
		status := member.Status()
		status.MirrorOf, status.History, status.Unseen = cfg.MirrorOf, pipeline.history.Load().progress(), pipeline.sequences.unseen()
		return status
	}

	if cfg.ignoredVariables != "" {
		log.WarnContext(ctx, "variables of the original program do nothing here", slog.String("hint", cfg.ignoredVariables))
	}
	notices := []string{cfg.WebNotice}
	if insecure := cfg.Notice(); insecure != "" {
		log.WarnContext(ctx, "insecure setting", slog.String("notice", insecure))
		notices = append(notices, podstatus.NoticeCredentialsInClear)
	}
	site, err := web.New(web.Options{
		Feed: records, Key: keyRequester.Status, Kafka: kafkaStatus, Name: cfg.WebName, Notices: notices, Registerer: metrics.registry,
		Token: keyRequester.Token, RefreshKeys: keyRequester.Refresh, Access: cfg.Access, Attested: attested.option(&cfg), Log: log,
		Export: cfg.WebExport, PreferVerified: len(cfg.inputs.opener.TrustedSenders) > 0,
	})
	if err != nil {
		return err
	}
	servers := page.servers(site)
	if cfg.MetricsAddr != "" {
		l, err := settings.Listen(ctx, "METRICS_ADDR", cfg.MetricsAddr)
		if err != nil {
			return err
		}
		missing := func() []health.Missing {
			return append(missing(keyRequester.Status(), kafkaStatus()), attested.missing()...)
		}
		servers = append(servers, server{health.NewServer(metrics.registry, missing), l})
	}
	log.LogAttrs(ctx, slog.LevelInfo, "serving", page.attrs()...)

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	parts.Go(func() { member.Run(ctx) })
	parts.Go(func() { pipeline.useNewKeys(ctx) })
	parts.Go(func() { keyRequester.Run(ctx) })
	parts.Go(func() { attested.run(ctx) })
	parts.Go(func() { site.Run(ctx) })
	for _, s := range servers {
		parts.Go(func() {
			if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serving %s: %w", s.listener.Addr(), err))
			}
		})
	}
	<-ctx.Done()
	for _, s := range servers {
		s.shutDown(context.WithoutCancel(ctx))
	}
	if !waitAtMost(shutdownTimeout, &parts) {
		log.WarnContext(ctx, "Kafka does not answer: ending without leaving the group")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	log.InfoContext(ctx, "stopped")
	return nil
}

// shutdownTimeout bounds the last commit and the leaving of the group. A broker that does not answer would delay the end
// by a minute, and Docker kills after ten seconds. Records that were not committed are read again.
const shutdownTimeout = 5 * time.Second

// waitAtMost reports whether all parts ended in time.
func waitAtMost(limit time.Duration, parts *sync.WaitGroup) bool {
	ended := make(chan struct{})
	go func() {
		parts.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}

type server struct {
	*http.Server
	listener net.Listener
}

// shutDown gives requests a short time to finish. It does not wait for open streams of viewers.
func (s server) shutDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close() //nolint:errcheck // the process ends next
	}
}
