package health

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"kafka-e2ee/settings"
)

// Check asks the running program for its health, at the address that METRICS_ADDR sets. Its error is one line.
type Check func(ctx context.Context, lookup func(string) (string, bool)) error

// Flags adds -check and -check-or-stop to flags. The check is nil if neither is given.
func Flags(flags *flag.FlagSet) *Check {
	var chosen Check
	choose := func(ask func(context.Context, string) error) func(string) error {
		return func(string) error {
			chosen = func(ctx context.Context, lookup func(string) (string, bool)) error {
				var cfg Config
				if err := settings.Load(&cfg, lookup); err != nil {
					return err
				}
				return ask(ctx, cfg.MetricsAddr)
			}
			return nil
		}
	}
	flags.BoolFunc("check", "ask the running program whether it is alive: exit status 0 or 1", choose(Ask))
	flags.BoolFunc("check-or-stop", "like -check, but if nothing answers for ten seconds, stop the container's first process", choose(AskOrStop))
	return &chosen
}

// errAddress means that nothing can be asked at the address.
var errAddress = errors.New("asking for health: METRICS_ADDR")

// Ask requests /healthz once, for at most a second. addr is the address that the program listens on, such as ":9464".
// An address without a host is asked on loopback.
func Ask(ctx context.Context, addr string) error {
	if addr == "" {
		return fmt.Errorf("%w is empty, so nothing answers (hint: set it, as in METRICS_ADDR=:9464)", errAddress)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%w is not host:port", errAddress)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // the name localhost could resolve to another host
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", http.NoBody)
	if err != nil {
		return fmt.Errorf("%w is not host:port", errAddress)
	}
	// No proxy and no redirects: the answer must come from this container.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body is not read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	return nil
}

// patience is how long AskOrStop asks, so that it does not stop a process that is starting or waiting for a core.
const patience = 10 * time.Second

// AskOrStop asks repeatedly. If nothing answers for ten seconds, it tells the container's first process to stop.
//
// Kubernetes restarts a container that fails its liveness probe. Docker only marks it unhealthy, and restarts it only
// once it has stopped.
func AskOrStop(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := Ask(ctx, addr)
		if err == nil || errors.Is(err, errAddress) {
			return err // nothing was asked, so nothing is known
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			if failed := stopFirst(); failed != nil {
				return fmt.Errorf("%w; stopping process 1: %w", err, failed)
			}
			return fmt.Errorf("%w; told process 1 to stop", err)
		}
	}
}

// stopFirst stops process 1, but only if it runs this very program. Outside of our containers process 1 is the
// machine's init.
func stopFirst() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if first, err := os.Readlink("/proc/1/exe"); err != nil || first != self || os.Getpid() == 1 {
		return errors.New("it is not this program")
	}
	return syscall.Kill(1, syscall.SIGTERM)
}
