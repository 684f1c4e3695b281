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

	"kafka-e2ee/lab/stage"
)

// sidecarAddr is where the sidecar listens: its pod's loopback, and nowhere else.
const sidecarAddr = "127.0.0.1:8080"

// serve emulates the cloud on the pod's loopback until ctx ends.
func serve(ctx context.Context, args []string) error {
	cfg := stage.Config{Sidecar: sidecarAddr, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("sidecar", flag.ExitOnError)
	flags.StringVar(&cfg.AttestationHost, "attestation", "localhost:8443", "host name of the attestation service, with the port where it is not 443")
	flags.StringVar(&cfg.VaultHost, "vault", "vault.lab.example", "host name of the vault")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8443", "HTTPS address of both")
	flags.StringVar(&cfg.Private, "private", "/keys/private", "folder in which the key and the authority are kept")
	flags.StringVar(&cfg.Files, "public", "/keys/public", "folder for the public key, the authority's certificate and a copy of the release policy")
	_ = flags.Parse(args) //nolint:errcheck // it exits
	cloud, err := stage.New(ctx, cfg)
	if err != nil {
		return err
	}
	cfg.Logger.WarnContext(ctx, "hardware, attestation and vault are emulated: nothing here protects anything", slog.String("key_name", stage.KeyName))
	return errors.Join(whileConnected(ctx), cloud.Close())
}

// whileConnected waits until ctx ends. It ends earlier where the network of this
// container is gone for ten seconds: it belongs to the pod's container, and after
// that one's restart this one sits in a network without a way out.
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

// connected says whether there is an interface other than loopback.
func connected() bool {
	interfaces, err := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return true
		}
	}
	return err != nil
}

// check asks the sidecar's /status (the answer is 200 in any state; its text says which).
func check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sidecarAddr+"/status", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("asking the sidecar: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing of it is read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the sidecar: got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	return nil
}
