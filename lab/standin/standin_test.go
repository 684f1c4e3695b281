package standin_test

import (
	"crypto/rsa"
	"os"
	"path/filepath"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/standin"
)

// Without it a restart would make a new key and leave every record in Kafka
// closed, or the producer would seal for a key that nobody holds.
func TestKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "private.pem"), filepath.Join(dir, "public.pem")
	make := func() (*rsa.PrivateKey, *rsa.PublicKey) {
		t.Helper()
		if err := standin.MakeKeys(private, public); err != nil {
			t.Fatal(err)
		}
		key, err := standin.LoadKey(private)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(public)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := envelope.ParsePublicKeys(text)
		if err != nil || len(keys) != 1 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		return key, keys[0]
	}
	first, _ := make()
	if err := os.Remove(public); err != nil { // ended between the two files
		t.Fatal(err)
	}
	second, half := make()
	if !first.Equal(second) || !half.Equal(&first.PublicKey) {
		t.Error("the second run made another key")
	}
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key's mode: %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".draft-*")); err != nil || len(left) > 0 {
		t.Errorf("drafts of keys are left: %q, %v", left, err)
	}
}

// Without it a damaged key would be replaced, and what it sealed be lost.
func TestDamagedKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "private.pem")
	if err := os.WriteFile(private, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := standin.MakeKeys(private, filepath.Join(dir, "public.pem")); err == nil {
		t.Error("a damaged key was taken")
	}
	if text, err := os.ReadFile(private); err != nil || string(text) != "damaged" {
		t.Errorf("it was replaced: %v", err)
	}
}
