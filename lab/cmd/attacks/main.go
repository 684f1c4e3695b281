// Command attacks does, on this computer, what Kafka's operator can do to records, and prints what a pod makes of it, for
// each way to protect them. It writes the table into the documents that its arguments name.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := lab.Attacks(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "attacks:", err)
		os.Exit(1)
	}
}
