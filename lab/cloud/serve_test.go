package cloud_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kafka-e2ee/lab/cloud"
)

// freeAddr returns an address whose port is above those that demos and other tests choose, and below those that the system
// gives to connections.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(32_620+rand.IntN(140)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// Another program could not use the emulated cloud. It gets addresses, names and
// a file with the certificate to trust, and nothing else.
func TestServe(t *testing.T) {
	cfg := cloud.Config{
		AttestationHost: "maa.example", VaultHost: "akv.example", Names: []string{"127.0.0.1"},
		Listen: freeAddr(t), ListenMetadata: freeAddr(t), Logger: slog.New(slog.DiscardHandler),
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	ctx, cancel := context.WithCancel(t.Context())
	done, out := make(chan error, 1), new(bytes.Buffer)
	go func() { done <- cloud.Serve(ctx, cfg, file, out) }()

	pool := x509.NewCertPool()
	for !pool.AppendCertsFromPEM(readFile(file)) {
		select {
		case err := <-done: // another program may have taken a port in the meantime
			t.Fatalf("serving ended early: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasSuffix(addr, ":443") {
				addr = cfg.Listen // as /etc/hosts and port 443 would
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	for url, want := range map[string]string{
		"https://maa.example/certs":           "x5c",
		"https://akv.example/keys":            "AKV10000",
		"https://" + cfg.Listen + "/keys":     "AKV10000",
		"https://" + cfg.Listen + "/certs":    "x5c",
		"http://" + cfg.ListenMetadata + "/x": "not found",
	} {
		var answer *http.Response
		for answer == nil { // it may not listen yet
			var err error
			if answer, err = client.Get(url); err != nil && !strings.Contains(err.Error(), "refused") {
				t.Fatal(err)
			}
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v: %s", url, err, body)
		}
	}
	// A second cloud that cannot listen must say what to do, and must not replace the certificate of the first.
	for listen, metadata := range map[string]string{cfg.Listen: freeAddr(t), freeAddr(t): cfg.ListenMetadata, "foo": freeAddr(t)} {
		second := cfg
		second.Listen, second.ListenMetadata = listen, metadata
		before := readFile(file)
		if err := cloud.Serve(ctx, second, file, io.Discard); err == nil || !strings.Contains(err.Error(), "-listen") {
			t.Errorf("listening at %s and %s: %v", listen, metadata, err)
		}
		if !bytes.Equal(readFile(file), before) {
			t.Errorf("listening at %s and %s: the certificate of the running cloud was replaced", listen, metadata)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ending: %v", err)
	}
	for _, want := range []string{"https://maa.example", cfg.Listen, "client_id=operator", "resource=https://example"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the greeting does not contain %s: %s", want, out)
		}
	}
}

func readFile(file string) []byte {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return text
}
