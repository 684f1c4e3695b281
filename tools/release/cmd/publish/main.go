// Command publish publishes a release's images for "make publish".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/tools/release/publish"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	var r publish.Request
	flags.StringVar(&r.Folder, "from", "dist", "the `folder` of the release")
	flags.StringVar(&r.Registry, "registry", "", "where to push, such as registry.example/team")
	flags.StringVar(&r.Version, "version", "", "the `version` that the release must have")
	flags.StringVar(&r.Key, "key", "", "a private `key` for cosign, a file or an address of a key service")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if r.Registry == "" {
		return errors.New("no registry (hint: make publish REGISTRY=registry.example/team)")
	}
	return publish.Publish(ctx, r, os.Stdout, os.Stderr)
}
