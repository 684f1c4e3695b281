package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// How much the ports of the other addresses are above the confidential pod's.
const (
	ordinaryPort = 1
	consolePort  = 2
	attestedPort = 10

	confidentialMetricsPort = 11
	ordinaryMetricsPort     = 12
	producerMetricsPort     = 13
)

// noSidecarURL is an address at which nothing listens.
const noSidecarURL = "http://127.0.0.1:9"

// addresses are HOST:PORT on loopback.
type addresses struct {
	confidential, ordinary, console, attested string

	metrics struct{ confidential, ordinary, producer string }

	relayed string // of the confidential pod's attested page while an impostor has the attested address
	maa     string // of attestation service and vault
}

// reservePorts listens on the ports of the pages, so that broker and cloud
// cannot choose them. The ports stay reserved until release is called.
func reservePorts(ctx context.Context, port int) (addrs addresses, release func(), err error) {
	var listeners []net.Listener
	release = func() {
		for _, l := range listeners {
			_ = l.Close() //nolint:errcheck // if the port is still taken, starting the page reports it
		}
	}
	for above, addr := range map[int]*string{
		0: &addrs.confidential, ordinaryPort: &addrs.ordinary, consolePort: &addrs.console, attestedPort: &addrs.attested,
		confidentialMetricsPort: &addrs.metrics.confidential, ordinaryMetricsPort: &addrs.metrics.ordinary, producerMetricsPort: &addrs.metrics.producer,
	} {
		*addr = net.JoinHostPort("localhost", strconv.Itoa(port+above))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
		if err != nil {
			return addrs, release, fmt.Errorf("port %d cannot be used (hint: choose others with: make demo PORT=4000): %w", port+above, err)
		}
		listeners = append(listeners, l)
	}
	for _, addr := range []*string{&addrs.relayed, &addrs.maa} {
		if *addr, err = unusedAddr(ctx); err != nil {
			return addrs, release, err
		}
	}
	return addrs, release, nil
}

// The ports from which unusedAddr chooses are below those that systems give to connections, so that no connection takes one
// before it is used. They are none of those that tests have chosen for later, either: e2e/harness takes the ones below, and
// this package's tests the ones above.
const (
	firstPort = 22_000
	lastPort  = 30_000
)

// unusedAddr returns a loopback address with a free port. The attestation
// service's port is part of its name, so it must be known before the service
// starts.
func unusedAddr(ctx context.Context) (string, error) {
	for {
		addr := net.JoinHostPort("localhost", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort))) //nolint:gosec // any port will do
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			return addr, l.Close()
		case !errors.Is(err, syscall.EADDRINUSE):
			return "", fmt.Errorf("finding a free port: %w", err)
		}
	}
}
