package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"kafka-e2ee/lab/env"
	"kafka-e2ee/settings"
)

// sidecar emulates the cloud and the sidecar of one pod on the pod's loopback until ctx ends.
func sidecar(ctx context.Context, args []string) error {
	cfg := env.Config{Listen: "127.0.0.1:8443", SidecarAddr: "127.0.0.1:8080", Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("sidecar", flag.ContinueOnError)
	flags.StringVar(&cfg.AttestationHost, "attestation", "localhost:8443", "host `name` of the attestation service, with the port unless it is 443")
	flags.StringVar(&cfg.VaultHost, "vault", "vault.lab.example", "host `name` of the vault")
	flags.StringVar(&cfg.PrivateDir, "private", "/keys/private", "`folder` with the vault's key and the authority, or for them")
	flags.StringVar(&cfg.PublicDir, "public", "/keys/public", "`folder` for the public key, the authority's certificate and a copy of the release policy")
	tampered := flags.Bool("tampered", false, "the pod's security policy was changed, so the vault refuses the key")
	program := settings.Program{
		Name: "pod sidecar", Version: version, Commit: commit,
		Does: "emulates the cloud and the sidecar of one pod, on its loopback.", ReadOn: "deploy/kubernetes/README.md, lab/README.md",
	}
	if err := program.Parse(flags, args, os.Stdout); err != nil {
		return err
	}
	if *tampered {
		cfg.Pod.Change = env.Tampered
	}
	cloud, err := env.New(ctx, cfg)
	if err != nil {
		return err
	}
	cfg.Logger.WarnContext(ctx, "hardware, attestation and vault are emulated: nothing here protects anything", slog.String("key_name", env.KeyName))
	<-ctx.Done()
	return cloud.Close()
}
