// Command lab runs the whole demo on this computer: an embedded Kafka broker, an
// emulated cloud that releases a key to attested hardware, the producer, and the
// consumer twice. With -cloud-only it serves the emulated cloud to others.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafka-e2ee/lab"
)

func main() {
	var o options
	flags := o.newFlags()
	_ = flags.Parse(os.Args[1:]) //nolint:errcheck // it exits
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "lab: got the argument %q, want options alone (hint: lab -h)\n", flags.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if !o.cloudOnly {
		return lab.Run(ctx, o.demo, os.Stdin, os.Stdout)
	}
	o.cloud.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	o.cloud.Names = strings.Split(o.names, ",")
	return lab.ServeCloud(ctx, o.cloud, o.caFile, os.Stdout)
}
