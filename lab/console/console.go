package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"kafka-e2ee/settings"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/static"
)

// Console serves the presenter's page.
type Console struct {
	demo         Demo
	port         string // for the viewers
	gateway      netip.Addr
	languages    locale.Languages
	files        static.Files
	stored       storedLog
	confidential *pod
	ordinary     *pod
	selection    selection
	attacks      *attackQueue
	changing     atomic.Pointer[string] // nil: nothing; else the scenario that was asked for, or empty
	streams      chan struct{}          // held by open streams
}

// Run serves the console at the demo's address for it until ctx ends.
func Run(ctx context.Context, demo Demo, log *slog.Logger) error {
	c, err := New(demo)
	if err != nil {
		return err
	}
	listener, err := settings.Listen(ctx, "the console's address", demo.Addresses().Inside.Console)
	if err != nil {
		return err
	}
	return c.Serve(ctx, listener, log)
}

// New returns the console of a demo. Serve starts it.
func New(demo Demo) (*Console, error) {
	where := demo.Addresses()
	_, port, err := net.SplitHostPort(where.Console)
	if err != nil {
		return nil, fmt.Errorf("reading the console's address: %w", err)
	}
	words, err := locale.Read(locales)
	if err != nil {
		return nil, err
	}
	files, err := readFiles()
	if err != nil {
		return nil, fmt.Errorf("reading the console's files: %w", err)
	}
	return &Console{
		demo: demo, port: port, gateway: where.Inside.Gateway, languages: words, files: files,
		confidential: newPod(where.Inside.Confidential, where.Confidential), ordinary: newPod(where.Inside.Ordinary, where.Ordinary),
		selection: selection{now: time.Now, mode: modeNewest}, attacks: newAttackQueue(), streams: make(chan struct{}, maxStreams),
	}, nil
}

// Serve follows Kafka and the pods and serves the page until ctx ends.
func (c *Console) Serve(ctx context.Context, listener net.Listener, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	where := c.demo.Addresses()
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { c.stored.follow(ctx, where.Inside.Broker, where.Topic) })
	parts.Go(func() { c.confidential.follow(ctx) })
	parts.Go(func() { c.ordinary.follow(ctx) })
	parts.Go(func() { c.attacks.serve(ctx, c.demo) })
	server := &http.Server{
		Handler: c.Handler(), BaseContext: func(net.Listener) context.Context { return ctx }, // ends the streams
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: limit.AnswerTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	parts.Go(func() {
		<-ctx.Done()
		_ = server.Close() //nolint:errcheck // the demo ends next
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the console: %w", err)
	}
	return nil
}
