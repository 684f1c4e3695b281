package env

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// The ports from which UnusedAddr chooses are below those that systems give to connections, so that no connection takes one
// before it is used. They are none of those that tests have chosen for later, either: e2e/harness takes the ones below, and
// the lab's tests the ones above.
const (
	firstPort = 22_000
	lastPort  = 30_000
)

// chosen is the port that UnusedAddr chose last. Each program begins elsewhere and goes on from there: what one part of it
// was given and does not use yet is given to no other part, and hardly ever to another program.
var chosen = struct { //nolint:gochecknoglobals // ports belong to the whole program
	sync.Mutex
	port int
}{port: firstPort + rand.IntN(lastPort-firstPort)} //nolint:gosec // any port will do

// UnusedAddr returns a loopback address with a free port. The attestation
// service's port is part of its name, so it must be known before the service
// starts.
func UnusedAddr(ctx context.Context) (string, error) {
	chosen.Lock()
	defer chosen.Unlock()
	for {
		if chosen.port++; chosen.port >= lastPort {
			chosen.port = firstPort
		}
		addr := net.JoinHostPort("localhost", strconv.Itoa(chosen.port))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			return addr, l.Close()
		case !errors.Is(err, syscall.EADDRINUSE):
			return "", fmt.Errorf("finding a free port: %w", err)
		}
	}
}
