// Command produce encrypts messages and writes them to Kafka; its settings are environment variables.
// It exits with 0 if all messages were acknowledged, 1 if not, and 2 if the settings are wrong.
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

	"kafka-e2ee/producer"
)

func main() {
	stdin := flag.Bool("stdin", false, "send each line of standard input as one message, as it is, instead of MSG")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	var in io.Reader
	if *stdin {
		in = os.Stdin
	}
	sum, err := run(ctx, in, log)
	stop()
	counts := []any{slog.Uint64("sent", sum.Sent), slog.Uint64("acknowledged", sum.Acknowledged), slog.Uint64("failed", sum.Failed)}
	switch {
	case errors.Is(err, producer.ErrSettings):
		log.Error("settings", slog.Any("error", err))
		os.Exit(2)
	case err != nil:
		log.Error("finished", append(counts, slog.Any("error", err))...)
		os.Exit(1)
	}
	log.Info("finished", counts...)
}

func run(ctx context.Context, in io.Reader, log *slog.Logger) (producer.Summary, error) {
	cfg, err := producer.Load(os.LookupEnv)
	if err != nil {
		return producer.Summary{}, err
	}
	return producer.Run(ctx, cfg, in, log)
}
