package producer

import (
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
)

// Without this a producer would seal with an old key for ever because another file was wrong just when the key changed;
// or say so every two seconds.
func TestChangedKeysAreTriedAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signer := signingPEM(t)
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(from(map[string]string{
		"FORMAT": "envelope", "PUBKEY_FILE": write("public.pem", rsaPEM(t, 2048)), "SIGNING_KEY_FILE": write("signing.pem", signer),
	}))
	if err != nil {
		t.Fatal(err)
	}
	first, err := cfg.sealer()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		s := newSealing(cfg, first, 1<<20, newMetrics(Build{}), slog.New(slog.NewTextHandler(log, nil)))
		go s.follow(t.Context(), cfg.keyFile())
		opener := envelope.NewOpener(envelope.OpenerConfig{})
		if err := opener.SetKeys(next); err != nil {
			t.Fatal(err)
		}
		sealedForNext := func() bool {
			sealed := s.seal(message{text: []byte("hello")}, 0)
			if sealed.err != nil {
				t.Fatal(sealed.err)
			}
			_, err := opener.Open(nil, cfg.Topic, sealed.parcel.value)
			return err == nil
		}
		write("signing.pem", "damaged")
		write("public.pem", pemOf(t, &next.PublicKey))
		time.Sleep(10*lookEvery + lookEvery/2) // between two looks, so that none sees a file half written
		if sealedForNext() {
			t.Error("it seals for the new key without the signing key that it was told to use")
		}
		write("signing.pem", signer)
		time.Sleep(2 * lookEvery)
		if !sealedForNext() {
			t.Error("it seals for the old key although nothing is wrong any more")
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "cannot be used"); n != 1 {
			t.Errorf("the log complains %d times: %s", n, log)
		}
	})
}
