// Command attacks does, on this computer, what Kafka's operator can do to records, and prints what a pod makes of it, for
// each way to protect them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafka-e2ee/lab/measure"
	"kafka-e2ee/settings"
)

var version, commit = "dev", "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "attacks:", err)
		os.Exit(settings.ExitStatus(err))
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("attacks", flag.ContinueOnError)
	write := flags.String("write", "", "write the table into these `documents`, with commas between them")
	program := settings.Program{
		Name: "attacks", Version: version, Commit: commit, ReadOn: "docs/attacks.md",
		Does: "attacks records as Kafka's operator can, on this computer, and prints what each format makes of it.",
	}
	if err := program.Parse(flags, args, os.Stdout); err != nil {
		return err
	}
	var documents []string
	if *write != "" {
		documents = strings.Split(*write, ",")
	}
	return measure.Publish(ctx, os.Stdout, documents)
}
