// Command lab runs the whole demo on this computer: an embedded Kafka broker, an
// emulated cloud that releases a key to attested hardware, the producer, and the
// consumer twice. With -cloud-only it serves the emulated cloud to others.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
)

func main() {
	// A flag set of its own: a library adds flags to the default one.
	flags := flag.NewFlagSet("lab", flag.ExitOnError)
	var demo lab.Config
	flags.IntVar(&demo.Port, "port", 3333, "port of the confidential pod's page; the ordinary pod's is the next one")
	flags.StringVar((*string)(&demo.Format), "format", string(envelope.FormatRSA), "format of the records: rsa, envelope or jwe")
	flags.StringVar(&demo.Scenario, "scenario", "", "what happens to the confidential pod: tampered, debug, no-role, late, rotate, throttled, ordinary; help says what each is")
	only := flags.Bool("cloud-only", false, "serve only attestation, vault, certificates and identities; the flags below are for this")
	services := cloud.Config{Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	flags.StringVar(&services.Listen, "listen", "127.0.0.1:8443", "HTTPS address of attestation and vault")
	flags.StringVar(&services.ListenMetadata, "listen-metadata", "127.0.0.1:8180", "HTTP address of certificates and identities")
	flags.StringVar(&services.AttestationHost, "attestation-host", "attestation.lab.example", "host name of the attestation service")
	flags.StringVar(&services.VaultHost, "vault-host", "vault.lab.example", "host name of the vault")
	names := flags.String("names", "localhost,127.0.0.1", "further host names and addresses for the certificate, separated by commas")
	caFile := flags.String("ca-file", "lab-ca.pem", "where to write the certificate that clients must trust")
	flags.BoolVar(&services.DangerouslyAcceptAnyReport, "dangerously-accept-any-report", false, "believe unsigned reports: any client can then claim to be any workload")
	flags.BoolVar(&services.DangerouslyAllowAnyWorkload, "dangerously-allow-any-workload", false, "take release policies without host data: such a key goes to every confidential workload")
	_ = flags.Parse(os.Args[1:]) //nolint:errcheck // it exits
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return lab.Run(ctx, demo, os.Stdin, os.Stdout) }
	if *only {
		services.Names = strings.Split(*names, ",")
		run = func() error { return lab.ServeCloud(ctx, services, *caFile, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}
