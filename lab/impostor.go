package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"kafka-e2ee/settings"
	"kafka-e2ee/web/access"
)

// impersonate serves the page at addr as someone between viewer and pod can: with a TLS key of its own, and
// everything else relayed from the pod's attested address, the attestation, too.
func impersonate(ctx context.Context, addr, pod string, log *slog.Logger) error {
	key, err := access.NewAttestedKey([]string{"localhost"})
	if err != nil {
		return err
	}
	guard, err := access.New(access.Settings{}, nil, log)
	if err != nil {
		return err
	}
	listener, err := settings.Listen(ctx, "port", addr)
	if err != nil {
		return err
	}
	relay := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: pod})
	relay.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	relay.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, //nolint:gosec // an impostor does not care whom it relays
	}
	server := &http.Server{Handler: relay, ReadHeaderTimeout: 5 * time.Second, ErrorLog: relay.ErrorLog}
	go func() {
		<-ctx.Done()
		_ = server.Close() //nolint:errcheck // the process ends next
	}()
	if err := server.Serve(guard.AttestedListener(listener, key)); ctx.Err() == nil {
		return fmt.Errorf("relaying the page: %w", err)
	}
	return nil
}
