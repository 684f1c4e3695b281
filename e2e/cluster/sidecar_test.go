package cluster

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"kafka-e2ee/lab/env"
)

// Without this the sidecar in the cluster could find nothing in the Secret's files and release a key of its own, which opens
// no record of the producer; or the changed pod could get the key.
func TestSidecarReleasesTheSecretsKey(t *testing.T) {
	s, err := makeSecrets()
	if err != nil {
		t.Fatal(err)
	}
	private := t.TempDir()
	files, ok := s.object("trial").Object["stringData"].(map[string]any)
	if !ok {
		t.Fatal("the Secret has no data")
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(private, name), fmt.Append(nil, text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, pod := range []env.Pod{{}, {Change: env.Tampered}} {
		public := t.TempDir()
		e, err := env.New(t.Context(), env.Config{
			AttestationHost: "localhost:8443", VaultHost: "vault.lab.example", Listen: "127.0.0.1:0", SidecarAddr: "127.0.0.1:0",
			PublicDir: public, PrivateDir: private, Pod: pod, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		body := `{"maa_endpoint":"localhost:8443","akv_endpoint":"vault.lab.example","kid":"kafka-encryption-demo"}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.Sidecar.URL()+"/key/release", bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Error(err)
		}
		response.Body.Close()
		if released := response.StatusCode == http.StatusOK; released != (pod.Change == nil) {
			t.Errorf("changed %t: status %d", pod.Change != nil, response.StatusCode)
		}
		if text, err := os.ReadFile(filepath.Join(public, env.PublicKeyFile)); err != nil || string(text) != s.publicKey {
			t.Errorf("the producer has another key than the vault: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
