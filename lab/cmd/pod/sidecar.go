package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"kafka-e2ee/lab/env"
	"kafka-e2ee/settings"
)

// sidecarAddr is on the pod's loopback, so that only the pod reaches it.
const sidecarAddr = "127.0.0.1:8080"

// serve emulates the cloud on the pod's loopback until ctx ends.
func serve(ctx context.Context, args []string) error {
	cfg := env.Config{SidecarAddr: sidecarAddr, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("sidecar", flag.ContinueOnError)
	flags.StringVar(&cfg.AttestationHost, "attestation", "localhost:8443", "host name of the attestation service, with the port unless it is 443")
	flags.StringVar(&cfg.VaultHost, "vault", "vault.lab.example", "host name of the vault")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8443", "HTTPS address of both")
	flags.StringVar(&cfg.PrivateDir, "private", "/keys/private", "folder that keeps the key and the authority across restarts")
	flags.StringVar(&cfg.PublicDir, "public", "/keys/public", "folder for the public key, the authority's certificate and a copy of the release policy")
	signing := flags.String("signing", "/keys/signing", "folder that keeps the producer's signing key across restarts")
	program := settings.Program{
		Name: "pod sidecar", Version: version, Commit: commit,
		Does: "emulates the cloud, with a sidecar for the confidential pod.", ReadOn: "docs/containers.md, lab/README.md",
	}
	if err := program.Parse(flags, args, os.Stdout); err != nil {
		return err
	}
	sender, err := env.NewSender(*signing, env.SigningKeyFile, env.SenderName)
	if err != nil {
		return err
	}
	if err := sender.WriteTrusted(cfg.PublicDir); err != nil {
		return err
	}
	cloud, err := env.New(ctx, cfg)
	if err != nil {
		return err
	}
	cfg.Logger.WarnContext(ctx, "hardware, attestation and vault are emulated: nothing here protects anything", slog.String("key_name", env.KeyName))
	return errors.Join(whileConnected(ctx), cloud.Close())
}

// whileConnected waits until ctx ends. It returns an error if the container has no
// network for ten seconds: the network belongs to the pod's container, and after
// a restart of that container this one is left in a network without a way out.
func whileConnected(ctx context.Context) error {
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if connected() {
			last = time.Now()
		} else if time.Since(last) > 10*time.Second {
			return errors.New("serving key release: the pod's network is gone (hint: the restart policy starts this again)")
		}
	}
}

// connected reports whether an interface other than loopback is up.
func connected() bool {
	interfaces, err := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return true
		}
	}
	return err != nil
}

// check asks the sidecar's /status, which answers 200 in any state.
func check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sidecarAddr+"/status", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // no redirect, no proxy
	if err != nil {
		return fmt.Errorf("asking the sidecar: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body is not read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the sidecar: got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	return nil
}
