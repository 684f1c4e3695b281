// Command consume reads a topic, decrypts the records that it has a key for, and shows them at WEB_ADDR. Its settings
// are environment variables; see docs/settings.md. Exit status: 0 stopped as told, 1 an error, 2 wrong settings.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/consumer"
	"kafka-e2ee/health"
	"kafka-e2ee/settings"
	"kafka-e2ee/web/access"
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
	folder := flag.String("make-certificate", "", "write a key and a certificate for WEB_HOSTS to this `folder`, and stop")
	flag.Parse()
	switch {
	case *check != nil:
		return (*check)(ctx, os.LookupEnv)
	case *folder != "":
		return settings.Invalid(access.MakeCertificate(ctx, *folder, os.LookupEnv, log))
	}
	health.LimitMemory(ctx, log)
	cfg, err := consumer.Load(os.LookupEnv)
	if err := errors.Join(health.NoArguments(flag.CommandLine), err); err != nil {
		return settings.Invalid(err)
	}
	return consumer.Run(ctx, cfg, consumer.Build{Version: version, Commit: commit}, log)
}
