package env

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = string(text)
	}
	return found
}

// After a restart with a new key no record in Kafka would decrypt; after one with
// a new authority the running consumer would not trust the cloud.
func TestRestartKeepsKeyAndAuthority(t *testing.T) {
	private, public := t.TempDir(), t.TempDir()
	run := func() map[string]string {
		t.Helper()
		s, err := New(t.Context(), Config{
			AttestationHost: "maa.example", VaultHost: "akv.example", Listen: "127.0.0.1:0", SidecarAddr: "127.0.0.1:0",
			PublicDir: public, PrivateDir: private, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return files(t, public)
	}
	first, secrets := run(), files(t, private)
	if len(first) != 3 || len(secrets) != 2 {
		t.Fatalf("got %d public files and %d private ones, want 3 and 2 and no draft", len(first), len(secrets))
	}
	for name := range secrets {
		if info, err := os.Stat(filepath.Join(private, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Remove(filepath.Join(public, PublicKeyFile)); err != nil { // as if the process had ended before it wrote the file
		t.Fatal(err)
	}
	for name, text := range run() {
		if text != first[name] {
			t.Errorf("%s: differs after a restart", name)
		}
	}
}

// After a restart without the newer versions nobody could read the records that were encrypted for them.
func TestRestartKeepsEveryVersion(t *testing.T) {
	private, public := t.TempDir(), t.TempDir()
	start := func() *Environment {
		t.Helper()
		e, err := New(t.Context(), Config{
			AttestationHost: "maa.example", VaultHost: "akv.example", Listen: "127.0.0.1:0", SidecarAddr: "127.0.0.1:0",
			PublicDir: public, PrivateDir: private, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := start()
	if err := errors.Join(e.Prepare(3), e.Rotate(), e.Rotate(), e.Close()); err != nil { // the third one was not in use
		t.Fatal(err)
	}
	ids, producers := e.KeyIDs()[:3], files(t, public)[PublicKeyFile]
	e = start()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := e.KeyIDs(); !slices.Equal(got, ids) || strings.Count(e.KeyNames(), ",") != 2 || files(t, public)[PublicKeyFile] != producers {
		t.Errorf("after a restart: the keys %q, want %q; the pod asks for %s", got, ids, e.KeyNames())
	}
}

// After a restart with a new signing key the pods would reject the running producer's records.
func TestRestartKeepsTheSender(t *testing.T) {
	dir := t.TempDir()
	first, err := NewSender(dir, SigningKeyFile, SenderName)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := NewSender(dir, SigningKeyFile, SenderName); err != nil || again != first {
		t.Errorf("after a restart: %v, %+v, want %+v", err, again, first)
	}
	if info, err := os.Stat(first.SigningKeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the signing key: %v, %v", info, err)
	}
	if !strings.Contains(first.Trusted, "PUBLIC KEY") || strings.Contains(first.Trusted, "PRIVATE") {
		t.Errorf("the trusted senders: %q", first.Trusted)
	}
	if err := os.WriteFile(first.SigningKeyFile, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSender(dir, SigningKeyFile, SenderName); err == nil {
		t.Error("a damaged signing key was accepted")
	}
}

// A damaged key would be replaced, and all records for it would be lost.
func TestDamagedKeyIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := persistedKeys(dir); err == nil {
		t.Error("a damaged key was accepted")
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, []byte("damaged")) {
		t.Errorf("the damaged key was replaced: %v", err)
	}
}
