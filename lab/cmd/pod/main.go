// Command pod plays the roles in the compose demo that the real programs do not:
//
//	pod sidecar  emulate the cloud, with a sidecar for the confidential pod
//	pod check    exit with 0 if the sidecar answers, else with 1
//	pod pause    wait for a signal: the container that owns the pod's network
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "sidecar":
		return serve(ctx, args)
	case "check":
		return check(ctx)
	case "pause":
		<-ctx.Done()
		return nil
	default:
		return errors.New("want one of: sidecar, check, pause")
	}
}
