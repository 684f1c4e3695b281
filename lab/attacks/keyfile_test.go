package attacks

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Without this the demo's key could be replaced by an older one if it is rotated during an attack: then the producer would
// encrypt for a key that is no longer its newest.
func TestSlipInKeepsARotatedKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, rotated := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "key.pem")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("before")
		restore, err := (&operator{target: Target{PublicKeyFile: file}}).changeKeyFile(&key.PublicKey, true)
		if err != nil {
			t.Fatal(err)
		}
		want := "before"
		if rotated {
			want = "rotated"
			write(want)
		}
		if err := restore(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

// Without this the producer could read an empty file while its key is replaced, and stop.
func TestSlipInNeverLeavesHalfAFile(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("before"), 0o640); err != nil {
		t.Fatal(err)
	}
	reading, err := os.Open(file) // as the producer does at that moment
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	restore, err := (&operator{target: Target{PublicKeyFile: file}}).changeKeyFile(&key.PublicKey, true)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reading); err != nil || string(got) != "before" {
		t.Errorf("the file that was open has %q, %v", got, err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode has changed: %v, %v", info, err)
	}
}
