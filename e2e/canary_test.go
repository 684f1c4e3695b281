package e2e_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this a message or the key could end in a log that the operators read,
// whom the encryption is there to keep out.
func TestSecretsStayOutOfLogsAndMetrics(t *testing.T) {
	const secret = "canary-3f1c7a-do-not-log"
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
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: topic, Message: secret, Count: 3,
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}
	if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
		t.Fatal(err)
	}
	// Everything that goes wrong is where secrets leak: too long, damaged, refused, nonsense.
	lines := io.Reader(strings.NewReader(secret + strings.Repeat("x", 1000) + "\n" + secret + "\n"))
	_, failed := producer.Run(context.Background(), producer.Config{
		Settings: conf.Settings, Topic: topic, PublicKey: conf.PublicKey,
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
	output := p.log.String() + producerLog.String() + string(p.get(p.metrics+"/metrics")) + string(p.get(p.metrics+"/readyz")) + string(p.get(p.page+"/api/key"))
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
	for what, needle := range needles {
		if strings.Contains(output, needle) {
			t.Errorf("%s is in a log, an error or a metric", what)
		}
	}
	if !strings.Contains(string(p.get(p.page)), secret) {
		t.Error("the page lacks the message: this test looked for it where it was never sent")
	}
}
