// Command produce encrypts messages and writes them to Kafka. Exit status: 0 all acknowledged, 1 not all, 2 wrong settings.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/health"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

var version, commit = "dev", "unknown"

func main() {
	var in io.Reader
	flag.BoolFunc("stdin", "send each line of standard input as one message, as it is, instead of MSG", func(string) error { in = os.Stdin; return nil })
	ask := health.Flags(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if *ask != nil {
		if err := (*ask)(ctx, kafkaconf.Value(new(producer.Config), "METRICS_ADDR", os.LookupEnv)); err != nil {
			fmt.Fprintln(os.Stderr, "produce:", err)
			os.Exit(1)
		}
		return
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	cfg, err := producer.Load(os.LookupEnv)
	if err = errors.Join(health.NoArguments(flag.CommandLine), err); err != nil {
		log.Error("settings", slog.Any("error", err))
		os.Exit(2)
	}
	sum, err := producer.Run(ctx, cfg, producer.Build{Version: version, Commit: commit}, in, log)
	stop()
	counts := []any{slog.Uint64("sent", sum.Sent), slog.Uint64("acknowledged", sum.Acknowledged), slog.Uint64("failed", sum.Failed)}
	if err != nil {
		log.Error("finished", append(counts, slog.Any("error", err))...)
		os.Exit(1)
	}
	log.Info("finished", counts...)
}
