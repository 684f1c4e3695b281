// Command setup-key makes a key with a release policy in a vault, the emulated
// one or Azure's, and writes its public half for the producer.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/setupkey"
)

func main() {
	flags := flag.NewFlagSet("setup-key", flag.ExitOnError)
	var o setupkey.Options
	flags.StringVar(&o.Name, "name", "kafka-encryption-demo", "name of the key")
	flags.StringVar(&o.VaultHost, "vault", "vault.lab.example", "host name of the vault")
	flags.StringVar(&o.MAAEndpoint, "maa", "attestation.lab.example", "host name of the attestation service")
	platform := flags.String("platform", string(policy.KataCC), "where the pod runs: kata-cc or confidential-aci")
	flags.StringVar(&o.Measurement, "measurement", "", "SHA-256 of the pod's security policy, 64 hex digits")
	flags.StringVar(&o.TokenFile, "token-file", "", "file with an access token for the vault")
	flags.StringVar(&o.CAFile, "ca", "", "file of the authority that certifies the vault, as lab -cloud-only writes it; empty: the system's")
	flags.StringVar(&o.Addr, "addr", "", "HOST:PORT to connect to instead of the vault's name, such as 127.0.0.1:8443")
	flags.StringVar(&o.Folder, "out", ".", "folder for NAME-pub.pem")
	flags.BoolVar(&o.NewVersion, "new-version", false, "make a new version if the key is there already")
	flags.BoolVar(&o.DangerouslyAnyWorkload, "dangerously-any-workload", false, "leave the measurement out: every confidential workload gets the key")
	_ = flags.Parse(os.Args[1:]) //nolint:errcheck // it exits
	o.Platform = policy.Platform(*platform)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := setupkey.Run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup-key:", err)
		os.Exit(1)
	}
}
