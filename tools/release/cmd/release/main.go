// Command release makes a release for "make release".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/tools/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the `version`, such as v1.2.3")
	registry := flags.String("registry", "", "the `registry` that the manifests name, such as registry.example/team")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *registry == "" {
		*registry = "registry.example/kafka-e2ee" // as in settings.env: nobody's
	}
	if err := release.CheckVersion(*version); err != nil {
		return err
	}
	source, err := release.OpenSource(ctx, ".")
	if err != nil {
		return err
	}
	return release.Make(ctx, source, *version, *registry, os.Stderr)
}
