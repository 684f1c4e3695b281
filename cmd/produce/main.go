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
	if err := run(ctx, log); err != nil {
		log.ErrorContext(ctx, "stopped by an error", slog.Any("error", err))
		os.Exit(settings.ExitStatus(err))
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	check := health.Flags(flag.CommandLine)
	var in io.Reader
	flag.BoolFunc("stdin", "send each line of standard input as one message, instead of MSG", func(string) error { in = os.Stdin; return nil })
	separator := producer.KeySeparatorFlag(flag.CommandLine)
	flag.Parse()
	if *check != nil {
		return (*check)(ctx, os.LookupEnv)
	}
	health.LimitMemory(ctx, log)
	cfg, err := producer.Load(os.LookupEnv)
	cfg.KeySeparator = *separator
	if err := errors.Join(health.NoArguments(flag.CommandLine), err); err != nil {
		return settings.Invalid(err)
	}
	sum, err := producer.Run(ctx, cfg, producer.Build{Version: version, Commit: commit}, in, log)
	log.InfoContext(ctx, "finished", slog.Uint64("sent", sum.Sent), slog.Uint64("acknowledged", sum.Acknowledged), slog.Uint64("failed", sum.Failed))
	return err
}
