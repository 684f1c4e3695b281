// Command produce encrypts messages and writes them to Kafka. Exit status: 0 all acknowledged, 1 not all, 2 wrong settings.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/health"
	"kafka-e2ee/producer"
	"kafka-e2ee/settings"
)

var version, commit = "dev", "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(ctx, log); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.ErrorContext(ctx, "stopped by an error", slog.Any("error", err))
		os.Exit(settings.ExitStatus(err))
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	build := producer.Build{Version: version, Commit: commit}
	flags := flag.NewFlagSet("produce", flag.ContinueOnError)
	check := health.Flags(flags)
	var in io.Reader
	flags.BoolFunc("stdin", "send each line of standard input as one message, instead of MSG", func(string) error { in = os.Stdin; return nil })
	separator := producer.KeySeparatorFlag(flags)
	err := producer.Program(build).Parse(flags, os.Args[1:], os.Stdout)
	switch {
	case err != nil:
		return err
	case *check != nil:
		return (*check)(ctx, os.LookupEnv)
	}
	health.LimitMemory(ctx, log)
	cfg, err := producer.Load(os.LookupEnv)
	if err != nil {
		return err
	}
	cfg.KeySeparator = *separator
	sum, err := producer.Run(ctx, cfg, build, in, log)
	log.InfoContext(ctx, "finished", slog.Uint64("sent", sum.Sent), slog.Uint64("acknowledged", sum.Acknowledged), slog.Uint64("failed", sum.Failed))
	return err
}
