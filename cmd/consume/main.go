// Command consume reads a topic, opens what it has a key for, and shows it at
// WEB_ADDR. Its settings are environment variables; see the README.
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

	"kafka-e2ee/consumer"
	"kafka-e2ee/health"
	"kafka-e2ee/kafkaconf"
)

var version, commit = "dev", "unknown"

func main() {
	ask := health.Flags(flag.CommandLine)
	certificate := flag.String("make-certificate", "", "make a key and a certificate for WEB_HOSTS in this `folder`, and end")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *ask != nil {
		if err := (*ask)(ctx, kafkaconf.Value(new(consumer.Config), "METRICS_ADDR", os.LookupEnv)); err != nil {
			fmt.Fprintln(os.Stderr, "consume:", err)
			os.Exit(1)
		}
		return
	}
	if *certificate != "" {
		if err := consumer.MakeCertificate(ctx, *certificate, os.LookupEnv, log); err != nil {
			log.ErrorContext(ctx, "no certificate", slog.String("error", err.Error()))
			os.Exit(2)
		}
		return
	}
	cfg, err := consumer.Load(os.LookupEnv)
	if err = errors.Join(health.NoArguments(flag.CommandLine), err); err != nil {
		log.ErrorContext(ctx, "settings are wrong", slog.String("error", err.Error()))
		os.Exit(2)
	}
	if err := consumer.Run(ctx, cfg, consumer.Build{Version: version, Commit: commit}, log); err != nil {
		log.ErrorContext(ctx, "stopped by an error", slog.String("error", err.Error()))
		os.Exit(1)
	}
}
