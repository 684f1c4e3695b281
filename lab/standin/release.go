package standin

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kafka-e2ee/skrclient/skrtest"
)

// Addr is where the sidecar listens: its pod's loopback, and nowhere else.
const Addr = "127.0.0.1:8080"

// Release hands out the private key under the given name until ctx ends.
func Release(ctx context.Context, name, privateFile string, log *slog.Logger) error {
	key, err := LoadKey(privateFile)
	if err != nil {
		return err
	}
	handler, err := skrtest.New(map[string]*rsa.PrivateKey{name: key})
	if err != nil {
		return fmt.Errorf("serving key release: %w", err)
	}
	server := skrtest.NewServer(handler, Addr)
	if err := server.Start(); err != nil { //nolint:contextcheck // it listens until Stop
		return err
	}
	log.WarnContext(ctx, "key release is emulated: nothing is attested, whoever asks gets the key", slog.String("key_name", name))
	return errors.Join(whileConnected(ctx), server.Stop())
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

// Check asks the sidecar's /status (the answer is 200 in any state; its text says which).
func Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Addr+"/status", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("asking the stand-in: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing of it is read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the stand-in: got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	return nil
}
