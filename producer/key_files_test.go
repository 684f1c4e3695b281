package producer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/settings"
)

// testSealer makes a sealer for a topic that takes records of 1 MiB.
func testSealer(t testing.TB, cfg Config, log io.Writer) *sealer {
	t.Helper()
	keys := newKeyFiles(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err := keys.load(); err != nil {
		t.Fatal(err)
	}
	return newSealer(cfg, keys, 1<<20, nil, newMetrics(Build{}, newStatus(cfg.Explain, nil), keys))
}

// sealed returns the record of a message.
func sealed(t *testing.T, s *sealer) *sentRecord {
	t.Helper()
	return sealedWith(t, s, nil)
}

// sealedWith returns the record of a message with a key.
func sealedWith(t *testing.T, s *sealer, key []byte) *sentRecord {
	t.Helper()
	r := &record{text: []byte("hello"), key: key}
	r.sent = new(sentBatch).add(r, false)
	if err := r.sent.batch.seal(s, r); err != nil {
		t.Fatal(err)
	}
	return r.sent
}

// Without this a producer would use an old key forever if another file was invalid when the key changed, or would log that
// every two seconds.
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
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		s := testSealer(t, cfg, log)
		go settings.Follow(t.Context(), time.Tick(settings.ReloadEvery), func() { s.reloadKeys(t.Context()) })
		opener := envelope.NewOpener(envelope.OpenerConfig{})
		if err := opener.SetKeys(next); err != nil {
			t.Fatal(err)
		}
		sealedForNext := func() bool {
			_, err := opener.Open(nil, cfg.Topic, sealed(t, s).value)
			return err == nil
		}
		write("signing.pem", "damaged")
		write("public.pem", pemOf(t, &next.PublicKey))
		time.Sleep(10*settings.ReloadEvery + settings.ReloadEvery/2) // between two reloads, so that none sees a half-written file
		if sealedForNext() {
			t.Error("it seals for the new key without the configured signing key")
		}
		write("signing.pem", signer)
		time.Sleep(2 * settings.ReloadEvery)
		if !sealedForNext() {
			t.Error("it seals for the old key although both files are valid again")
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "cannot be used"); n != 1 {
			t.Errorf("the log complains %d times: %s", n, log)
		}
	})
}

// Without this a reader whose key was removed would read on for as long as nobody notices a typo in the file with the
// other keys, or the typo would stop the producer at once, or for good.
func TestUnusableKeysStopTheSealingAfterTheGrace(t *testing.T) {
	text := rsaPEM(t, 2048)
	damaged := strings.Replace(text, "-----BEGIN", "----BEGIN", 1)
	for name, test := range map[string]struct {
		grace         time.Duration
		change        func(file string) error
		fixed         string
		during, after string // the log
	}{
		"a typo, then the keys before": {time.Minute, func(file string) error { return os.WriteFile(file, []byte(damaged), 0o600) }, text, "sealing with the ones before", "as before, sealing goes on"},
		"no file, then other keys":     {time.Minute, os.Remove, rsaPEM(t, 2048), "sealing with the ones before", "sealing with the new ones"},
		"no grace":                     {0, os.Remove, text, "sealing nothing", "as before, sealing goes on"},
	} {
		file := filepath.Join(t.TempDir(), "public.pem")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(from(map[string]string{"FORMAT": "envelope", "PUBKEY_FILE": file, "PUBKEY_GRACE": test.grace.String()}))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			log := new(strings.Builder)
			s := testSealer(t, cfg, log)
			reload := func(wait time.Duration) {
				time.Sleep(wait)
				s.reloadKeys(t.Context())
			}
			check := func(when, state string, since time.Duration, stale float64) {
				t.Helper()
				missing := s.metrics.keys.missing()
				if (len(missing) == 0) != (state == "") {
					t.Errorf("%s, %s: /readyz says %+v, want %q", name, when, missing, state)
				}
				for _, m := range missing {
					if m.Part != "keys" || m.State != state || time.Since(m.Since) != since || !strings.HasPrefix(m.Detail, "PUBKEY_FILE: ") || strings.Contains(m.Detail, file) {
						t.Errorf("%s, %s: /readyz says %+v, want %q for %v", name, when, m, state, since)
					}
				}
				if got := gauge(t, s.metrics, "e2ee_producer_keys_stale", ""); got != stale {
					t.Errorf("%s, %s: e2ee_producer_keys_stale is %v", name, when, got)
				}
			}
			waits := func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				return errors.Is(s.keys.wait(ctx), errKeysUnusable)
			}
			reload(0)
			check("at first", "", 0, 0)
			if err := test.change(file); err != nil {
				t.Fatal(err)
			}
			reload(time.Hour) // the grace begins now, not when the file was last usable
			if test.grace > 0 {
				check("in the grace", keysStale, 0, 1)
				reload(test.grace - time.Second)
				if waits() {
					t.Errorf("%s: it does not seal in the grace", name)
				}
				reload(time.Second)
			}
			reload(time.Second)
			check("after the grace", keysStopped, time.Second, 1)
			if !waits() {
				t.Errorf("%s: it seals after the grace", name)
			}
			waiting := make(chan error, 1)
			go func() { waiting <- s.keys.wait(t.Context()) }()
			synctest.Wait()
			if err := os.WriteFile(file, []byte(test.fixed), 0o600); err != nil {
				t.Fatal(err)
			}
			reload(time.Second)
			check("fixed", "", 0, 0)
			if err := <-waiting; err != nil {
				t.Errorf("%s: it does not go on by itself: %v", name, err)
			}
			for _, want := range []string{test.during, "sealing nothing", "fix the file; messages wait, and none is lost", test.after} {
				if n := strings.Count(log.String(), want); n != 1 {
					t.Errorf("%s: the log holds %q %d times: %s", name, want, n, log)
				}
			}
		})
	}
}

// Without this a new signing key would need a restart, and records would go on to be signed with one that was replaced.
func TestSigningKeyIsFollowed(t *testing.T) {
	dir := t.TempDir()
	public, signing := filepath.Join(dir, "public.pem"), filepath.Join(dir, "signing.pem")
	for file, text := range map[string]string{public: rsaPEM(t, 2048), signing: signingPEM(t)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(from(map[string]string{"FORMAT": "envelope", "PUBKEY_FILE": public, "SIGNING_KEY_FILE": signing}))
	if err != nil {
		t.Fatal(err)
	}
	s := testSealer(t, cfg, io.Discard)
	signer := func() string {
		t.Helper()
		d, err := envelope.Describe(sealed(t, s).value)
		if err != nil {
			t.Fatal(err)
		}
		return d.Signer
	}
	first := signer()
	if err := os.WriteFile(signing, []byte(signingPEM(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reloadKeys(t.Context())
	if second := signer(); first == "" || second == "" || second == first {
		t.Errorf("signed with %q, and after the change with %q", first, second)
	}
}
