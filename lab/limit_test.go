package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
)

// Without this the field would refuse what a record can hold, or accept what it cannot, after another choice.
func TestLimitFollowsFormatAndKey(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	rsa := d.Limit()
	if err := d.SetFormat(t.Context(), string(formats.Envelope)); err != nil {
		t.Fatal(err)
	}
	if got := d.Limit(); rsa != 318 || got != 64<<10 {
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

// Without this the limit of the field would change for no reason that the presenter sees, or a message would be lost that
// the producer does not take while an attack has given it another key.
func TestLimitStaysWhileAnAttackRuns(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	before := d.Limit()
	end(d.typing)
	end(d.producing)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	d.noteAttack(console.Attacked{Attack: console.AttackInfo{Name: "reader"}, Running: true})
	if err := os.WriteFile(filepath.Join(d.dir, env.PublicKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.Limit(); got != before {
		t.Errorf("while the attack runs a message may have %d bytes, before %d", got, before)
	}
	var refused console.CommandError
	if err := d.Send(t.Context(), strings.Repeat("x", 250)); !errors.As(err, &refused) || refused.Code != console.ProblemReader {
		t.Errorf("a message that the producer would not take: %v", err)
	}
	if err := d.Send(t.Context(), strings.Repeat("x", 400)); !errors.As(err, &refused) || refused.Code != console.ProblemTooLong || refused.Used != 400 || refused.Limit != 318 {
		t.Errorf("a message that is too long: %v", err)
	}
	d.noteAttack(console.Attacked{Attack: console.AttackInfo{Name: "reader"}, Ended: time.Now()})
	if got := d.Limit(); got != 190 {
		t.Errorf("with a shorter key a message may have %d bytes, want 190", got)
	}
}
