package attacks

import (
	"crypto/rand"
	"crypto/rsa"
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
		restore, err := (&operator{target: Target{PublicKeyFile: file}}).slipIn(&key.PublicKey, true)
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
