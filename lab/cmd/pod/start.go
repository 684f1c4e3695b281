package main

import (
	"context"
	"errors"
	"net"
	"time"

	"kafka-e2ee/lab/starter"
	"kafka-e2ee/settings"
)

// publicDir is where the pods' containers read what pod lab writes.
const publicDir = "/keys/public"

// start runs a pod's program as pod lab says, until ctx ends.
func start(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return settings.Invalid(errors.New("got no program, want the pod's name and its program (hint: pod -h)"))
	}
	return whileConnected(ctx, func(ctx context.Context) error { return starter.Run(ctx, publicDir, args[0], args[1:]) })
}

var errNetworkGone = errors.New("the pod's network is gone (hint: the restart policy starts this again)")

// whileConnected runs a part until ctx ends, or until the container has had no network for ten seconds: the network belongs
// to the pod's container, and after a restart of that container this one is left in a network without a way out.
func whileConnected(ctx context.Context, run func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			if connected() {
				last = time.Now()
			} else if time.Since(last) > 10*time.Second {
				stop(errNetworkGone)
			}
		}
	}()
	err := run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, errNetworkGone) {
		return cause
	}
	return err
}

// connected reports whether an interface other than loopback is up.
func connected() bool {
	interfaces, err := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return true
		}
	}
	return err != nil
}
