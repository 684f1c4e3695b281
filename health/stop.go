package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// patience is how long AskOrStop asks: a process that starts, or waits for a
// core, must not be ended for it.
const patience = 10 * time.Second

// AskOrStop asks again and again, and where nothing answers for ten seconds it
// tells the container's first process to end. Docker watches a container's
// health and does nothing about it; together with a restart policy this is what
// a liveness probe is in Kubernetes.
func AskOrStop(ctx context.Context, listening string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := Ask(ctx, listening)
		if err == nil || errors.Is(err, errAddress) {
			return err // where nothing was asked, nothing is known
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			if failed := stopFirst(); failed != nil {
				return fmt.Errorf("%w; %w", err, failed)
			}
			return fmt.Errorf("%w; told process 1 to end", err)
		}
	}
}

// stopFirst ends process 1 only where it runs this very program: anywhere but
// in a container of ours it is the machine's own.
func stopFirst() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("stopping process 1: %w", err)
	}
	if first, err := os.Readlink("/proc/1/exe"); err != nil || first != self || os.Getpid() == 1 {
		return errors.New("stopping process 1: it is not this program")
	}
	process, err := os.FindProcess(1)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		return fmt.Errorf("stopping process 1: %w", err)
	}
	return nil
}
