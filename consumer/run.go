// Package consumer reads a topic, opens what this pod has a key for, and shows
// every record on a page with what is true of it.
//
// It needs nothing to start: without a broker, a topic, a sidecar or a key it
// serves the page, says what is missing, and goes on by itself when that comes.
// Run is the whole program; cmd/consume adds the environment and the signals.
//
// Plaintext is held in memory and served to whoever can reach the page; it is
// not written anywhere else. Unless settings say so the page has no sign-in.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web"
)

// Build says which build is running; it is shown in /metrics.
type Build struct{ Version, Commit string }

// Run consumes and serves until ctx ends. It returns an error only where the
// program cannot be of use at all: an address that it cannot listen on, or
// settings that contradict each other.
func Run(ctx context.Context, cfg Config, build Build, log *slog.Logger) error {
	if err := cfg.check(); err != nil {
		return err
	}
	trusted, err := cfg.trustedSenders()
	if err != nil {
		return err
	}
	standsIn := newStandIn()
	conf, err := cfg.saramaConfig(standsIn)
	if err != nil {
		return err
	}
	page, err := kafkaconf.Listen(ctx, "WEB_ADDR", cfg.WebAddr)
	if err != nil {
		return err
	}
	defer page.Close() //nolint:errcheck // closed by its server before this
	metrics := newMetrics(build, cfg.Topic)
	feed := web.NewFeed(cfg.WebHistory)
	reader := &reader{cfg: cfg, sarama: conf, feed: feed, trusted: trusted, metrics: metrics, log: log}
	reader.opening.Store(newOpening(envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: trusted}), metrics.decrypt, standsIn))
	keys, err := newKeys(cfg, metrics, log, reader.useKeys, feed.Changed)
	if err != nil {
		return err
	}
	reader.keys = keys
	reader.status.Store(&web.KafkaStatus{State: web.KafkaConnecting, Topic: cfg.Topic, Since: time.Now()})
	kafka := reader.kafkaStatus

	notice := cfg.WebNotice
	if insecure := cfg.Notice(); insecure != "" {
		log.WarnContext(ctx, "insecure setting", slog.String("notice", insecure))
		notice = strings.TrimSpace(notice + " " + insecure)
	}
	site, err := web.New(web.Options{
		Feed: feed, Key: keys.status, Kafka: kafka, Notice: notice, Registerer: metrics.registry,
		Token: keys.token, Again: keys.again, Access: cfg.Access, Log: log,
	})
	if err != nil {
		return err
	}
	servers := []server{{site.HTTPServer(), site.Listener(page)}}
	if cfg.MetricsAddr != "" {
		l, err := kafkaconf.Listen(ctx, "METRICS_ADDR", cfg.MetricsAddr)
		if err != nil {
			return err
		}
		servers = append(servers, server{operationsServer(operations(metrics, keys.status, kafka)), l})
	}
	log.InfoContext(ctx, "serving", slog.String("page", page.Addr().String()))

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	parts.Go(func() { reader.run(ctx) })
	parts.Go(func() { keys.run(ctx) })
	parts.Go(func() { site.Run(ctx) })
	for _, s := range servers {
		parts.Go(func() {
			if err := s.Serve(s.on); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serving %s: %w", s.on.Addr(), err))
			}
		})
	}
	<-ctx.Done()
	for _, s := range servers {
		s.end(context.WithoutCancel(ctx))
	}
	if !waitAtMost(goodbye, &parts) {
		log.WarnContext(ctx, "Kafka does not answer: leaving the group without a goodbye")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	log.InfoContext(ctx, "stopped")
	return nil
}

// goodbye is how long the last commit and the leaving of the group may take. A
// broker that does not answer would hold the process for a minute, and Docker
// kills after ten seconds. What is not committed is read again.
const goodbye = 5 * time.Second

// waitAtMost says whether all parts ended in time.
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
	on net.Listener
}

// end lets requests under way finish, but not for long: a viewer's open stream
// must not hold the process.
func (s server) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close() //nolint:errcheck // the process ends next
	}
}
