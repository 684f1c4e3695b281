// Command lab runs the whole demo on this computer: an embedded Kafka broker, an
// emulated cloud that releases a key to attested hardware, the producer, and the
// consumer twice. With -cloud-only it serves the emulated cloud to other programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/settings"
)

var version, commit = "dev", "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	os.Exit(settings.ExitStatus(err))
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return settings.Invalid(err)
	}
	if !o.cloudOnly {
		return lab.Run(ctx, o.demo, os.Stdin, os.Stdout)
	}
	o.cloud.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	return cloud.Serve(ctx, o.cloud, o.caFile, os.Stdout)
}
