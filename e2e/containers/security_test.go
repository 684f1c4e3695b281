package containers_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this a broker that limits how long a client stays signed in would alarm the viewers each time, and records
// would be written or read twice. Real Kafka cuts the connections of clients that do not sign in again.
func staysSignedIn(t *testing.T, k *realkafka.Secured) {
	key := harness.NewKey(t)
	k.CreateTopic("renewed", harness.KafkaUser)
	_, url := harness.Sidecar(t, key)
	settings := k.Settings("OAUTH", "TOPIC=renewed", "KAFKA_CA_FILE="+k.WriteFile("ca.pem", k.CA.PEM()), "KAFKA_SASL_MECHANISM=OAUTHBEARER",
		"KAFKA_TOKEN_FILE="+k.WriteFile("renewed-token", k.Token(k.Tokens, time.Hour)))
	p, _ := harness.StartConsumer(t, k, url, settings...)
	p.Wait("the consumer reads", func() bool { return p.KafkaProblem() == "" && p.Get(p.Metrics+"/readyz") != nil })
	written := 0
	for began := time.Now(); time.Since(began) < 4*realkafka.Reauthentication; time.Sleep(100 * time.Millisecond) {
		if written%10 == 0 {
			harness.Send(t, k, []*sarama.ProducerMessage{{Topic: "renewed", Value: sarama.StringEncoder("a")}})
		}
		written++
		if says := p.KafkaProblem(); says != "" {
			t.Fatalf("after %s: %s", time.Since(began), says)
		}
	}
	for _, word := range []string{"Kafka failed", "not reading from Kafka", "cannot be read"} {
		if log := p.Log.String(); strings.Contains(log, word) {
			t.Errorf("the log says %q: %s", word, log)
		}
	}
	if got := strings.Count(p.Log.String(), `"msg":"reading"`); got != 1 {
		t.Errorf("the group was joined %d times", got)
	}
}

// TestSecuredKafka starts the broker once for all its parts. Each part says what a user would lose.
func TestSecuredKafka(t *testing.T) {
	k := realkafka.StartSecured(t)
	k.SetPassword(harness.KafkaUser, harness.ScramPassword)
	for _, part := range []struct {
		name string
		test func(*testing.T, *realkafka.Secured)
	}{
		{"every way to connect", everyWayToConnect},
		{"wrong security is told apart", wrongSecurity},
		{"too large for the topic", tooLarge},
		{"stays signed in", staysSignedIn},
		{"password changes", passwordChanges},
		{"certificates change", certificatesChange}, // the last: the broker has other certificates afterwards
	} {
		t.Run(part.name, func(t *testing.T) {
			k.T = t
			part.test(t, k)
		})
	}
}

// Without this secured Kafka, the usual one outside a demo, could not be used at all.
func everyWayToConnect(t *testing.T, k *realkafka.Secured) {
	key := harness.NewKey(t)
	k.CreateTopic("ways", harness.KafkaUser, "CN=client")
	_, url := harness.Sidecar(t, key)
	cert, certKey := k.CA.Issue("client", time.Hour)
	ca := "KAFKA_CA_FILE=" + k.WriteFile("ca.pem", k.CA.PEM())
	own := []string{ca, "KAFKA_CLIENT_CERT_FILE=" + k.WriteFile("client.pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.WriteFile("client.key", certKey)}
	plain := []string{ca, "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USER=" + harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE=" + k.WriteFile("plain", harness.PlainPassword+"\n")}
	scram := func(mechanism string, more ...string) []string {
		return append([]string{"KAFKA_SASL_MECHANISM=" + mechanism, "KAFKA_SASL_USER=" + harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE=" + k.WriteFile("scram", harness.ScramPassword)}, more...)
	}
	for _, way := range []struct {
		name     string
		settings []string
	}{
		{"in the clear", k.Settings("ADMIN")},
		{"TLS", k.Settings("TLS", ca)},
		{"client certificate", k.Settings("MTLS", own...)},
		{"PLAIN", k.Settings("SASL", plain...)},
		{"SCRAM-SHA-256", k.Settings("SASL", scram("SCRAM-SHA-256", ca)...)},
		{"SCRAM-SHA-512", k.Settings("SASL", scram("SCRAM-SHA-512", ca)...)},
		{"SCRAM without TLS", k.Settings("CLEAR", scram("SCRAM-SHA-512")...)},
		{"PLAIN in the clear", k.Settings("CLEAR", append(plain[1:], "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR=true")...)},
		{"token", k.Settings("OAUTH", ca, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_TOKEN_FILE="+k.WriteFile("token", k.Token(k.Tokens, time.Hour)))},
		{"older protocol, batches", k.Settings("TLS", ca, "KAFKA_VERSION=2.8.0", "KAFKA_CLIENT_ID=mine")},
	} {
		t.Run(way.name, func(t *testing.T) {
			way.settings = append(way.settings, "TOPIC=ways")
			p, _ := harness.StartConsumer(t, k, url, way.settings...)
			producer := harness.StartProducer(t, k, harness.PublicPEM(t, &key.PublicKey), strings.NewReader(way.name+" 1\n"+way.name+" 2\n"), append(way.settings,
				"KAFKA_COMPRESSION=gzip", "KAFKA_LINGER=5ms", "KAFKA_BATCH_BYTES=16384")...)
			producer.WaitExit()
			p.Wait("both messages are shown", func() bool {
				found := 0
				for _, r := range p.Records() {
					if r.State == "decrypted" && strings.HasPrefix(r.Value, way.name) {
						found++
					}
				}
				return found == 2
			})
			inTheOpen := way.name == "PLAIN in the clear"
			if shown := strings.Contains(string(p.Get(p.Page)), "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set"); shown != inTheOpen {
				t.Errorf("the page's notice about the password in the clear: %v, want %v", shown, inTheOpen)
			}
			for _, log := range []string{p.Log.String(), producer.Log.String()} {
				if strings.Contains(log, "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set") != inTheOpen {
					t.Errorf("a log's notice about the password in the clear is wrong: %s", log)
				}
				if strings.Contains(log, harness.PlainPassword) || strings.Contains(log, harness.ScramPassword) {
					t.Error("a password is in a log")
				}
			}
			p.Stop()
		})
	}
}

// Without this a change of the password would cost an outage of everything that uses it, or lose acknowledged messages.
func passwordChanges(t *testing.T, k *realkafka.Secured) {
	key := harness.NewKey(t)
	k.CreateTopic("password", harness.KafkaUser)
	_, url := harness.Sidecar(t, key)
	settings := k.Settings("SASL", "TOPIC=password", "KAFKA_CA_FILE="+k.WriteFile("ca.pem", k.CA.PEM()), "KAFKA_SASL_MECHANISM=SCRAM-SHA-512",
		"KAFKA_SASL_USER="+harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE="+k.WriteFile("password", harness.ScramPassword))
	changing(t, k, settings, url, harness.PublicPEM(t, &key.PublicKey), change{
		refused: "Kafka does not accept the user name or the password (hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE",
		broker:  func() { k.SetPassword(harness.KafkaUser, "canary-second-password") },
		client:  func() { k.WriteFile("password", "canary-second-password\n") },
	})
}

// Without this a renewal of certificates, which Strimzi does by itself, would cost an outage until somebody restarts
// everything.
func certificatesChange(t *testing.T, k *realkafka.Secured) {
	key := harness.NewKey(t)
	k.CreateTopic("certificates", "CN=client")
	_, url := harness.Sidecar(t, key)
	files := func(ca *realkafka.Authority) []string {
		cert, certKey := ca.Issue("client", time.Hour)
		return []string{"KAFKA_CA_FILE=" + k.WriteFile("ca.pem", ca.PEM()), "KAFKA_CLIENT_CERT_FILE=" + k.WriteFile("client.pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.WriteFile("client.key", certKey), "TOPIC=certificates"}
	}
	next := realkafka.NewAuthority(t, "next authority")
	changing(t, k, k.Settings("MTLS", files(k.CA)...), url, harness.PublicPEM(t, &key.PublicKey), change{
		refused: `is not from an authority that is trusted here: issued by \"next authority\" (hint: check KAFKA_CA_FILE`,
		broker: func() {
			for name, text := range k.BrokerFiles(next) {
				harness.Docker(t, "cp", k.WriteFile(name, text), k.ID+":/tls/"+name)
			}
			harness.Docker(t, "restart", "-t", "0", k.ID)
			k.WriteFile("ca.pem", k.CA.PEM()) // BrokerFiles has a file of that name
			k.Ready()
		},
		client: func() { files(next) },
	})
}

// change is one change of a secret, first at the broker, then at its clients.
type change struct {
	refused        string // what the logs say in between
	broker, client func()
}

// changing sends before, during and after the change. Everything must be acknowledged and read without a restart.
func changing(t *testing.T, k *realkafka.Secured, settings []string, url, public string, change change) {
	t.Helper()
	p, _ := harness.StartConsumer(t, k, url, settings...)
	in, feed := io.Pipe()
	defer feed.Close()
	producer := harness.StartProducer(t, k, public, in, settings...)
	send := func(from, to int) {
		for n := from; n < to; n++ {
			if _, err := fmt.Fprintf(feed, "message %d\n", n); err != nil {
				t.Error(err)
			}
		}
	}
	send(0, 20)
	p.Wait("the first messages are read", func() bool { return p.RecordsRead() >= 20 })
	change.broker()
	for n := 20; ; n++ { // an idle connection would not notice
		send(n, n+1)
		if n > 24 && strings.Contains(p.Log.String(), change.refused) && strings.Contains(producer.Log.String(), change.refused) {
			began := time.Now()
			change.client()
			send(n+1, n+21)
			feed.Close()
			producer.WaitExit() // status 0 only if every message was acknowledged
			records := p.WaitStates(map[string]int{"decrypted": n + 21})
			t.Logf("%d messages; all read %v after the client's files changed", len(records), time.Since(began).Round(time.Millisecond))
			seen := map[string]bool{}
			for _, r := range records {
				seen[r.Value] = true
			}
			if len(seen) != n+21 {
				t.Errorf("%d different messages on the page, want %d", len(seen), n+21)
			}
			return
		}
		if n > 300 {
			t.Fatalf("the change is not noticed; consumer: %s\nproducer: %s", p.Log, producer.Log)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
