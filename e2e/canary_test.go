package e2e_test

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this a message or the key could end in a log that the operators read,
// whom the encryption is there to keep out.
func TestSecretsStayOutOfLogsAndMetrics(t *testing.T) {
	const secret = "canary-3f1c7a-do-not-log"
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	c, key := broker(t, 1), newKey(t)
	s, url := sidecar(t, key)
	p := consume(t, settings(t, c.ListenAddrs(), url))
	p.wait("the key is released", func() bool { return p.keyState() == "released" })

	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var producerLog buffer
	log := slog.New(slog.NewJSONHandler(&producerLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	conf := producer.Config{
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: topic, Format: envelope.FormatRSA, Message: secret, Count: 3,
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}
	if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
		t.Fatal(err)
	}
	// Everything that goes wrong is where secrets leak: too long, damaged, refused, nonsense.
	lines := io.Reader(strings.NewReader(secret + strings.Repeat("x", 1000) + "\n" + secret + "\n"))
	_, failed := producer.Run(context.Background(), producer.Config{
		Settings: conf.Settings, Topic: topic, Format: envelope.FormatRSA, PublicKey: conf.PublicKey,
	}, producer.Build{}, lines, log)
	write(t, c, 0, []byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(secret, 20)))))
	p.wait("all is read", func() bool { return read(p) >= 6 })
	for _, behaviour := range []skrtest.Behaviour{skrtest.Garbage, skrtest.TwoDocuments, skrtest.NotReady, skrtest.Huge} {
		s.Behave(behaviour)
		cfg := settings(t, c.ListenAddrs(), url)
		cfg.Group = "other"
		other := consume(t, cfg)
		other.wait("the sidecar's answer is known", func() bool { return strings.Contains(other.log.String(), "key not released") })
		p.log.Write([]byte(other.log.String()))
		p.log.Write(other.get(other.page + "/api/key"))
		p.log.Write(other.get(other.metrics + "/metrics"))
		other.stop()
	}
	// The other formats have more to keep: the data keys, and what proves the sender.
	signing, trusted := newSender(t, senderName)
	for _, format := range sealed {
		conf.Format, conf.SigningKeyFile = format, signing
		if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
			t.Fatal(err)
		}
		for _, tooLong := range []string{secret + strings.Repeat("x", 17<<20) + "\n", ""} {
			if _, err := producer.Run(context.Background(), producer.Config{
				Settings: conf.Settings, Topic: topic, Format: format, PublicKey: conf.PublicKey, SigningKeyFile: trusted,
			}, producer.Build{}, strings.NewReader(tooLong), log); err == nil {
				t.Error("a public key is taken for a signing key")
			} else {
				log.Error("as the program logs it", slog.Any("error", err))
			}
		}
	}
	cfg := settings(t, c.ListenAddrs(), url)
	cfg.Group, cfg.TrustedSendersFile = "with senders", trusted
	s.Behave(skrtest.Release)
	third := consume(t, cfg)
	third.wait("all is read", func() bool { return read(third) >= 12 })
	third.wait("all is opened", func() bool { return strings.Count(fmt.Sprint(third.records()), "verified") >= 6 })
	keys := dataKeys(t, key, third.records())
	if len(keys) != 2 {
		t.Fatalf("found %d data keys, want one of each format", len(keys))
	}
	p.log.Write([]byte(third.log.String()))
	p.log.Write(third.get(third.metrics + "/metrics"))
	p.log.Write(third.get(third.page + "/api/key"))
	seed := signingSeed(t, signing)

	// The page holds the messages, and never what opens them.
	shown := ""
	for _, path := range []string{"/", "/?lang=ja", "/proof", "/api/records?limit=1000", "/api/key", "/api/key/evidence", "/records/" + topic + "/0/0"} {
		body := string(third.get(third.page + path))
		if body == "" {
			t.Errorf("%s is not served", path)
		}
		shown += body
	}
	output := p.log.String() + producerLog.String() + string(p.get(p.metrics+"/metrics")) + string(p.get(p.metrics+"/readyz")) + string(p.get(p.page+"/api/key")) + string(third.get(third.page+"/api/key/evidence"))
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
	noSecrets(t, "the output", output)
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("files are left in the folder for temporary ones: %v, %v", left, err)
	}
	if !strings.Contains(string(p.get(p.page)), secret) {
		t.Error("the page lacks the message: this test looked for it where it was never sent")
	}
}

// dataKeys unwraps the data keys of records without any code of the project.
func dataKeys(t *testing.T, key *rsa.PrivateKey, records []record) (keys [][]byte) {
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
