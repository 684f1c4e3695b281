// Command lab runs the whole demo on this computer: an embedded Kafka broker, a
// key-release stand-in, the producer, and the consumer twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
)

func main() {
	port := flag.Int("port", 3333, "port of the confidential pod's page; the ordinary pod's is the next one")
	format := flag.String("format", string(envelope.FormatRSA), "format of the records: rsa, envelope or jwe")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := lab.Run(ctx, lab.Config{Port: *port, Format: envelope.Format(*format)}, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}
