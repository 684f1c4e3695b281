// Package health lets a program ask the running one of its kind whether it is
// alive, for images without a shell. The program offers it as flags:
//
//	ask := health.Flags(flag.CommandLine)
//	flag.Parse()
//	if *ask != nil {
//		err := (*ask)(ctx, ":9464")
//	}
//
// An answer proves that the process runs, not that Kafka or the key are there:
// those are states that a program lives with, and says elsewhere.
package health

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Question asks the program that listens at an address. Its error is one line.
type Question func(ctx context.Context, listening string) error

// Flags adds -check and -check-or-stop. The question stays nil where neither is given.
func Flags(flags *flag.FlagSet) *Question {
	var chosen Question
	choose := func(q Question) func(string) error {
		return func(string) error { chosen = q; return nil }
	}
	flags.BoolFunc("check", "ask the running program whether it is alive: exit status 0 or 1", choose(Ask))
	flags.BoolFunc("check-or-stop", "as -check, and where nothing answers for ten seconds end the container's first process", choose(AskOrStop))
	return &chosen
}

// NoArguments reports what is left after the flags: a flag without its hyphen would start a second program, and change
// nothing else.
func NoArguments(flags *flag.FlagSet) error {
	if flags.NArg() == 0 {
		return nil
	}
	return fmt.Errorf("arguments: got %d, want none; hint: flags start with a hyphen, settings are environment variables", flags.NArg())
}

// errAddress is that of an address at which nothing can be asked.
var errAddress = errors.New("asking for health: METRICS_ADDR")

// Ask asks for /healthz once, for at most a second, at an address as programs
// listen on, such as ":9464". One without a host is asked on loopback.
func Ask(ctx context.Context, listening string) error {
	if listening == "" {
		return fmt.Errorf("%w is empty, so nothing answers (hint: set it, as in METRICS_ADDR=:9464)", errAddress)
	}
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return fmt.Errorf("%w is not host:port", errAddress)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", http.NoBody)
	if err != nil {
		return fmt.Errorf("%w is not host:port", errAddress)
	}
	// Never through the environment's proxy: the answer has to be this container's own.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing of it is read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	return nil
}
