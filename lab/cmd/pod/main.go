// Command pod plays the roles in the compose demo and in the cluster test that the real programs do not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/lab"
	"kafka-e2ee/settings"
)

var version, commit = "dev", "unknown"

const help = `pod plays the roles in the compose demo and in the cluster test that the real programs do not. Nothing in it protects anything.

Usage: pod lab [options]           emulate the cloud, with a sidecar for the confidential pod; produce records, and serve the
                                   presenter's console; pod lab -h lists the options
       pod start NAME PROGRAM …    run the program of the pod NAME with the settings that pod lab chooses, and again with the next ones
       pod check                   exit with 0 if pod lab answers, else with 1
       pod pause                   wait for a signal: the container that owns the pod's network, or one that runs pod fetch
       pod sidecar [options]       emulate the cloud and the sidecar of one pod of another demo; pod sidecar -h lists the options
       pod fetch URL               print the status and the body that the URL answers with; exit with 1 if nothing answers, with 3
                                   if something does and its body cannot be read to the end
       pod -version                print version, commit and Go version

Read on: docs/containers.md, deploy/kubernetes/README.md, lab/README.md
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(exitStatus(err))
	}
}

func exitStatus(err error) int {
	if errors.Is(err, errCutOff) {
		return 3
	}
	return settings.ExitStatus(err)
}

func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if command != "lab" && command != "start" && command != "sidecar" && command != "fetch" && len(args) > 0 {
		return settings.Invalid(fmt.Errorf("got %d arguments after %q, want none (hint: pod -h)", len(args), command))
	}
	switch command {
	case "lab":
		return serve(ctx, args)
	case "start":
		return start(ctx, args)
	case "sidecar":
		return sidecar(ctx, args)
	case "fetch":
		return fetch(ctx, args, os.Stdout)
	case "check":
		return check(ctx, "127.0.0.1"+lab.ConsoleInPod)
	case "pause":
		<-ctx.Done()
		return nil
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(os.Stdout, help)
		return err
	case "-version", "--version":
		_, err := fmt.Fprintln(os.Stdout, settings.VersionLine("pod", version, commit))
		return err
	default:
		return settings.Invalid(fmt.Errorf("got the command %q, want lab, start, check, pause, sidecar or fetch (hint: pod -h)", command))
	}
}
