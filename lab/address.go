package lab

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"kafka-e2ee/lab/env"
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
		if *addr, err = env.UnusedAddr(ctx); err != nil {
			return addrs, release, err
		}
	}
	return addrs, release, nil
}
