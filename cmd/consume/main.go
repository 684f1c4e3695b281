// Command consume shows the records of a topic, decrypted. Exit status: 0 stopped as told, 1 an error, 2 wrong settings.
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
	if err := run(ctx, log); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.ErrorContext(ctx, "stopped by an error", slog.Any("error", err))
		os.Exit(settings.ExitStatus(err))
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	build := consumer.Build{Version: version, Commit: commit}
	flags := flag.NewFlagSet("consume", flag.ContinueOnError)
	check := health.Flags(flags)
	folder := flags.String("make-certificate", "", "write a key and a certificate for WEB_HOSTS to this `folder`, and stop")
	var required settings.Required
	flags.Var(&required, "require", settings.RequiredUsage)
	err := consumer.Program(build).Parse(flags, os.Args[1:], os.Stdout)
	missing := required.Check(new(consumer.Config), os.LookupEnv)
	switch {
	case err != nil:
		return err
	case *check != nil:
		return (*check)(ctx, os.LookupEnv)
	case *folder != "":
		return settings.Invalid(errors.Join(missing, access.MakeCertificate(ctx, *folder, os.LookupEnv, log)))
	}
	health.LimitMemory(ctx, log)
	cfg, err := consumer.Load(os.LookupEnv)
	if err = errors.Join(missing, err); err != nil {
		return settings.Invalid(err)
	}
	return consumer.Run(ctx, cfg, build, log)
}
