package lab

import (
	"os"
	"path/filepath"
	"testing"

	"kafka-e2ee/lab/env"
)

// Without this the field would refuse what a record can hold, or accept what it cannot, after another choice.
func TestLimitFollowsFormatAndKey(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formatRSA)})
	rsa := d.Limit()
	if err := d.SetFormat(t.Context(), string(formatEnvelope)); err != nil {
		t.Fatal(err)
	}
	if got := d.Limit(); rsa != 318 || got != maxTyped {
		t.Errorf("%d bytes in the format rsa, %d in envelope", rsa, got)
	}
	end(d.typing) // one that still starts would read the file, and end the demo
	end(d.producing)
	if err := os.WriteFile(filepath.Join(d.dir, env.PublicKeyFile), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.Limit(); got != 0 {
		t.Errorf("without a public key a message may have %d bytes", got)
	}
}
