// Command verify checks that a page is served by the code that a key's release policy names, before anything of the page
// is trusted. Exit status: 0 verified, 1 refused or no attestation, 2 could not be checked.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/settings"
	"kafka-e2ee/verify"
)

var version, commit = "dev", "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	status := verify.ExitStatus(err)
	if status == verify.Unchecked {
		fmt.Fprintln(os.Stderr, "verify:", err)
	}
	os.Exit(status)
}

func run(ctx context.Context) error {
	cfg, err := verify.Parse(os.Args[1:], settings.VersionLine("verify", version, commit), os.Stdout)
	if err != nil {
		return err
	}
	return verify.Run(ctx, cfg, os.Stdout)
}
