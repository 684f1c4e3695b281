// Command standin is what the compose demo needs beside the real programs:
//
//	standin keys PRIVATE PUBLIC   make the key pair, once, in these two files
//	standin release NAME PRIVATE  hand out the private key under that name, as the key-release sidecar does
//	standin check                 exit with 0 if the one above answers, else with 1
//	standin pause                 do nothing until told to end: the container that owns a pod's network
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafka-e2ee/lab/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch command := strings.Join(args[:min(len(args), 1)], ""); {
	case command == "keys" && len(args) == 3:
		return standin.MakeKeys(args[1], args[2])
	case command == "release" && len(args) == 3:
		return standin.Release(ctx, args[1], args[2], slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	case command == "check" && len(args) == 1:
		return standin.Check(ctx)
	case command == "pause" && len(args) == 1:
		<-ctx.Done()
		return nil
	default:
		return errors.New("want one of: keys PRIVATE PUBLIC, release NAME PRIVATE, check, pause")
	}
}
