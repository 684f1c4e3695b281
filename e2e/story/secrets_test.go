package story_test

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this a message or the key could end up in a log of the operators, whom the encryption must keep out.
func TestSecretsStayOutOfLogsAndMetrics(t *testing.T) {
	const secret = "canary-3f1c7a-do-not-log"
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	s, url := harness.Sidecar(t, key)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })

	var producerLog harness.LogBuffer
	log := slog.New(slog.NewJSONHandler(&producerLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	conf := producer.Config{
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: harness.Topic, Format: envelope.FormatRSA, Message: secret, Count: 3,
		PublicKey: harness.PublicPEM(t, &key.PublicKey),
	}
	if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
		t.Fatal(err)
	}
	// Secrets leak where things go wrong: too long, damaged, refused, nonsense.
	lines := io.Reader(strings.NewReader(secret + strings.Repeat("x", 1000) + "\n" + secret + "\n"))
	_, failed := producer.Run(context.Background(), producer.Config{
		Settings: conf.Settings, Topic: harness.Topic, Format: envelope.FormatRSA, PublicKey: conf.PublicKey,
	}, producer.Build{}, lines, log)
	harness.Write(t, c, 0, []byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(secret, 20)))))
	p.Wait("all records are read", func() bool { return p.RecordsRead() >= 6 })
	for _, behaviour := range []skrtest.Behaviour{skrtest.Garbage, skrtest.TwoDocuments, skrtest.NotReady, skrtest.Huge} {
		s.Behave(behaviour)
		cfg := harness.Settings(t, c.ListenAddrs(), url)
		cfg.Group = "other"
		other := harness.Consume(t, cfg)
		other.Wait("the sidecar's answer is known", func() bool { return strings.Contains(other.Log.String(), "key not released") })
		p.Log.Write([]byte(other.Log.String()))
		p.Log.Write(other.Get(other.Page + "/api/key"))
		p.Log.Write(other.Get(other.Metrics + "/metrics"))
		other.Stop()
	}
	// The other formats have more secrets: the data keys and the signing key.
	signing, trusted := harness.NewSender(t, harness.SenderName)
	for _, format := range harness.SealedFormats {
		conf.Format, conf.SigningKeyFile = format, signing
		if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
			t.Fatal(err)
		}
		for _, tooLong := range []string{secret + strings.Repeat("x", 17<<20) + "\n", ""} {
			if _, err := producer.Run(context.Background(), producer.Config{
				Settings: conf.Settings, Topic: harness.Topic, Format: format, PublicKey: conf.PublicKey, SigningKeyFile: trusted,
			}, producer.Build{}, strings.NewReader(tooLong), log); err == nil {
				t.Error("a public key is accepted as a signing key")
			} else {
				log.Error("as the program logs it", slog.Any("error", err))
			}
		}
	}
	cfg := harness.Settings(t, c.ListenAddrs(), url)
	cfg.Group, cfg.TrustedSendersFile = "with senders", trusted
	s.Behave(skrtest.Release)
	third := harness.Consume(t, cfg)
	third.Wait("all records are read", func() bool { return third.RecordsRead() >= 12 })
	third.Wait("all records are decrypted", func() bool { return strings.Count(fmt.Sprint(third.Records()), "verified") >= 6 })
	keys := dataKeys(t, key, third.Records())
	if len(keys) != 2 {
		t.Fatalf("found %d data keys, want one of each format", len(keys))
	}
	p.Log.Write([]byte(third.Log.String()))
	p.Log.Write(third.Get(third.Metrics + "/metrics"))
	p.Log.Write(third.Get(third.Page + "/api/key"))
	seed := signingSeed(t, signing)

	// The page shows the messages, and never a key.
	shown := ""
	for _, path := range []string{"/", "/?lang=ja", "/proof", "/api/records?limit=1000", "/api/key", "/api/key/evidence", "/records/" + harness.Topic + "/0/0"} {
		body := string(third.Get(third.Page + path))
		if body == "" {
			t.Errorf("%s is not served", path)
		}
		shown += body
	}
	output := p.Log.String() + producerLog.String() + string(p.Get(p.Metrics+"/metrics")) + string(p.Get(p.Metrics+"/readyz")) + string(p.Get(p.Page+"/api/key")) + string(third.Get(third.Page+"/api/key/evidence"))
	if failed != nil {
		output += failed.Error()
	}

	needles := map[string]string{"the message": secret, "the message in base64": base64.StdEncoding.EncodeToString([]byte(secret))[:24]}
	for name, n := range map[string]*big.Int{"d": key.D, "p": key.Primes[0], "q": key.Primes[1]} {
		needles[name+" in base64"] = base64.StdEncoding.EncodeToString(n.Bytes())[:40]
		needles[name+" in base64url"] = base64.RawURLEncoding.EncodeToString(n.Bytes())[:40]
		needles[name+" in hex"] = hex.EncodeToString(n.Bytes())[:40]
		needles[name+" in decimal"] = n.String()[:40]
	}
	secrets := map[string][]byte{"the signing key": seed}
	for i, dataKey := range keys {
		secrets[fmt.Sprint("data key ", i)] = dataKey
	}
	for name, raw := range secrets {
		needles[name+" in base64"] = base64.RawStdEncoding.EncodeToString(raw)[:40]
		needles[name+" in base64url"] = base64.RawURLEncoding.EncodeToString(raw)[:40]
		needles[name+" in hex"] = hex.EncodeToString(raw)
		needles[name+" in upper hex"] = strings.ToUpper(hex.EncodeToString(raw))
		needles[name+" in decimal"] = new(big.Int).SetBytes(raw).String()[:40]
		needles[name+" as a list"] = strings.Trim(fmt.Sprintf("%d", raw), "[]")
		needles[name+" raw"] = string(raw)
	}
	for what, needle := range needles {
		if strings.Contains(output, needle) {
			t.Errorf("%s is in a log, an error, a metric or the evidence", what)
		}
		if !strings.HasPrefix(what, "the message") && strings.Contains(shown, needle) {
			t.Errorf("%s is on a page or in the API", what)
		}
	}
	harness.NoSecrets(t, "the output", output)
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("files are left in the folder for temporary ones: %v, %v", left, err)
	}
	if !strings.Contains(string(p.Get(p.Page)), secret) {
		t.Error("the page lacks the message: this test looked for it where it was never sent")
	}
}

// dataKeys unwraps the data keys of records with no code of the project.
func dataKeys(t *testing.T, key *rsa.PrivateKey, records []harness.Record) (keys [][]byte) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range records {
		if r.Sender.State != "verified" {
			continue
		}
		wire, err := base64.StdEncoding.DecodeString(r.Wire)
		if err != nil {
			t.Fatal(err)
		}
		if wire[0] == 0xC1 {
			if wire, err = envelope.Convert(wire); err != nil {
				t.Fatal(err)
			}
		}
		wrapped, err := base64.RawURLEncoding.DecodeString(strings.Split(string(wire), ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		dataKey, err := rsa.DecryptOAEP(sha256.New(), nil, key, wrapped, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[string(dataKey)] {
			seen[string(dataKey)] = true
			keys = append(keys, dataKey)
		}
	}
	return keys
}

func signingSeed(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := envelope.ParseSigningKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key.Seed()
}
