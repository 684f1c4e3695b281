// Command shortlived is the producer with data keys that expire half a minute after their first use, so that a test can
// wait for it. It sends the lines of its standard input.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/producer"
	"kafka-e2ee/settings"
)

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
	flag.Bool("stdin", true, "has no effect: the input is always read")
	flag.Parse()
	cfg, err := producer.Load(os.LookupEnv)
	if err != nil {
		return err
	}
	cfg.Limits = envelope.Limits{Age: 10 * time.Second, Hold: 20 * time.Second}
	sum, err := producer.Run(ctx, cfg, producer.Build{Version: "test"}, os.Stdin, log)
	log.InfoContext(ctx, "finished", slog.Uint64("sent", sum.Sent), slog.Uint64("acknowledged", sum.Acknowledged), slog.Uint64("failed", sum.Failed))
	return err
}
