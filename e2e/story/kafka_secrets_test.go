package story_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

// Without this a refused Kafka password would end up in a log or on a page that anyone can read.
func TestKafkaSecretsStayOutOfLogsAndPages(t *testing.T) {
	const right, wrong = "canary-right-4b7e", "canary-wrong-4b7e"
	signing := map[string]kafkaconf.Settings{
		"PLAIN":         {Mechanism: "PLAIN", CredentialsInClear: true},
		"SCRAM-SHA-256": {Mechanism: "SCRAM-SHA-256"},
		"SCRAM-SHA-512": {Mechanism: "SCRAM-SHA-512"},
	}
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, harness.Topic), kfake.EnableSASL()}
	for mechanism := range signing {
		options = append(options, kfake.Superuser(mechanism, harness.KafkaUser, right))
	}
	c, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	key := harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	for name, s := range signing {
		s.Brokers, s.Protocol, s.User, s.PasswordFile = c.ListenAddrs(), "SASL_PLAINTEXT", harness.KafkaUser, filepath.Join(t.TempDir(), "password")
		password := func(text string) { harness.ReplaceFile(t, s.PasswordFile, text) }
		password(wrong)
		cfg := harness.Settings(t, nil, url)
		cfg.Settings, cfg.Group = s, name
		p := harness.Consume(t, cfg)
		p.Wait("the password is refused", func() bool { return strings.Contains(p.Log.String(), "the user name or the password") })
		output := string(p.Get(p.Page)) + string(p.Get(p.Metrics+"/readyz"))

		var written harness.LogBuffer
		log := slog.New(slog.NewJSONHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
		conf := producer.Config{Settings: s, Topic: harness.Topic, Format: envelope.FormatRSA, PublicKey: harness.PublicPEM(t, &key.PublicKey), Message: name, Count: 1}
		ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
		if _, err := producer.Run(ctx, conf, producer.Build{}, nil, log); err == nil {
			t.Errorf("%s: a wrong password is accepted", name)
		} else {
			output += err.Error() + fmt.Sprintf("%+v", conf)
		}
		stop()
		password(right)
		if _, err := producer.Run(context.Background(), conf, producer.Build{}, nil, log); err != nil {
			t.Errorf("%s: the right password, without a restart: %v", name, err)
		}
		p.Wait("the message is read with the new password", func() bool { return strings.Contains(string(p.Get(p.Page+"/api/records")), "Msg 1: "+name) })
		client, err := s.Sarama("x")
		if err != nil {
			t.Fatal(err)
		}
		output += fmt.Sprintf("%+v", client) + p.Log.String() + written.String() + string(p.Get(p.Page)) + string(p.Get(p.Metrics+"/metrics"))
		p.Stop()

		// If a secret is in the wrong variable, the error names the variable and not the value.
		for _, env := range []map[string]string{
			{"KAFKA_SASL_PASSWORD_FILE": right, "KAFKA_SASL_MECHANISM": wrong, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
			{"KAFKA_TOKEN_FILE": s.PasswordFile, "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SECURITY_PROTOCOL": right},
			{"KAFKA_CONNECTION_STRING_FILE": s.PasswordFile, "KAFKA_PRESET": "event-hubs"},
			{"KAFKA_CA_FILE": s.PasswordFile, "KAFKA_CLIENT_KEY_FILE": s.PasswordFile, "KAFKA_CLIENT_CERT_FILE": s.PasswordFile, "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_VERSION": wrong},
		} {
			if _, err := consumer.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }); err == nil {
				t.Errorf("%v is accepted", env)
			} else {
				output += err.Error()
			}
		}
		for _, secret := range []string{right, wrong} {
			if strings.Contains(output, secret) {
				t.Errorf("%s: a password is in a log, an error, a setting, on the page or in the metrics", name)
			}
		}
	}
}
