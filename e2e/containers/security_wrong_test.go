package containers_test

import (
	"html"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this a user with one of ten mistakes would read that Kafka is not reachable, and try all ten.
func wrongSecurity(t *testing.T, k *realkafka.Secured) {
	key := harness.NewKey(t)
	k.CreateTopic(harness.Topic, harness.KafkaUser, "CN=client")
	_, url := harness.Sidecar(t, key)
	k.SetPassword("stranger", harness.ScramPassword)
	k.SetPassword("reader", harness.ScramPassword)
	k.Grant("reader", sarama.AclResourceTopic, harness.Topic, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
	forger := harness.NewKeyOf(t, 2048)
	ca := "KAFKA_CA_FILE=" + k.WriteFile("ca.pem", k.CA.PEM())
	client := func(name string, by *realkafka.Authority, lasts time.Duration) []string {
		cert, certKey := by.Issue("client", lasts)
		return []string{ca, "KAFKA_CLIENT_CERT_FILE=" + k.WriteFile(name+".pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.WriteFile(name+".key", certKey)}
	}
	signIn := func(name, mechanism, password string) []string {
		return []string{ca, "KAFKA_SASL_MECHANISM=" + mechanism, "KAFKA_SASL_USER=" + name, "KAFKA_SASL_PASSWORD_FILE=" + k.WriteFile("password of "+name+mechanism+password, password)}
	}
	token := func(name, text string) []string {
		return []string{ca, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_TOKEN_FILE=" + k.WriteFile(name, text)}
	}
	refusedToken := k.Token(forger, time.Hour)
	oldToken := k.Token(k.Tokens, -time.Minute)
	port := func(listener string) string { _, port, _ := strings.Cut(k.Listeners[listener], ":"); return port }
	const badPassword = "canary-wrong-password"
	for _, wrong := range []struct {
		name     string
		settings []string
		want     string // in the logs of both programs and on the page
		consumer string // instead, for the consumer; "-" where it is not concerned
	}{
		{"name", []string{"BROKERS=kafka.invalid:9092"}, "host name kafka.invalid not found (hint: check BROKERS", ""},
		{"port", []string{"BROKERS=localhost:1"}, "localhost:1 refuses connections: nothing listens at that port (hint: check BROKERS", ""},
		{"no TLS", []string{"BROKERS=" + k.Listeners["TLS"]}, "a broker closed the connection (hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"TLS in vain", []string{"BROKERS=" + k.Listeners["ADMIN"], "KAFKA_SECURITY_PROTOCOL=SSL", ca}, k.Listeners["ADMIN"] + " closed the connection (hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"no authority", k.Settings("TLS"), `is not from an authority that is trusted here: issued by "test authority" (hint: check KAFKA_CA_FILE`, ""},
		{"other name", []string{"BROKERS=127.0.0.1:" + port("TLS"), "KAFKA_SECURITY_PROTOCOL=SSL", ca}, "the certificate of 127.0.0.1:" + port("TLS") + " is for another name: localhost (hint: check BROKERS", ""},
		{"expired broker", k.Settings("EXPIRED", ca), `("old broker") expired at `, `has expired ("old broker", `},
		{"no certificate", k.Settings("MTLS", ca), "wants a client certificate (", ""},
		{"expired client", k.Settings("MTLS", client("old", k.CA, -time.Hour)...), `the client certificate ("client") expired at `, `the client certificate has expired ("client", `},
		{"strange client", k.Settings("MTLS", client("strange", realkafka.NewAuthority(t, "another"), time.Hour)...), "does not accept the client certificate (", ""},
		{"no sign-in", []string{"BROKERS=" + k.Listeners["SASL"], "KAFKA_SECURITY_PROTOCOL=SSL", ca}, "a broker closed the connection (hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"sign-in in vain", append([]string{"BROKERS=" + k.Listeners["TLS"], "KAFKA_SECURITY_PROTOCOL=SASL_SSL"}, signIn(harness.KafkaUser, "SCRAM-SHA-512", harness.ScramPassword)...), "the broker does not expect anyone to sign in at this port (hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"SCRAM password", k.Settings("SASL", signIn(harness.KafkaUser, "SCRAM-SHA-512", badPassword)...), "Kafka does not accept the user name or the password (hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", ""},
		{"PLAIN password", k.Settings("SASL", signIn(harness.KafkaUser, "PLAIN", badPassword)...), "Kafka does not accept the user name or the password (hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", ""},
		{"mechanism", k.Settings("OAUTH", signIn(harness.KafkaUser, "SCRAM-SHA-512", harness.ScramPassword)...), "the broker does not offer this way to sign in (hint: check KAFKA_SASL_MECHANISM", ""},
		{"forged token", k.Settings("OAUTH", token("forged", refusedToken)...), "Kafka does not accept the token (hint: check KAFKA_TOKEN_FILE", ""},
		{"old token", k.Settings("OAUTH", token("old", oldToken)...), "the token expired at ", "the setting KAFKA_TOKEN_FILE cannot be used"},
		{"topic's rights", k.Settings("SASL", signIn("stranger", "SCRAM-SHA-512", harness.ScramPassword)...), "this user is not authorized for the topic (hint: check TOPIC", ""},
		{"group's rights", k.Settings("SASL", signIn("reader", "SCRAM-SHA-256", harness.ScramPassword)...), `"msg":"connected to Kafka"`, "this user is not authorized for the consumer group (hint: check CONSUMERGROUP"},
		{"no topic", k.Settings("ADMIN", "TOPIC=no-such-topic"), "the topic does not exist (hint: check TOPIC", "Topic no-such-topic does not exist."},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			p, _ := harness.StartConsumer(t, k, url, wrong.settings...)
			producer := harness.StartProducer(t, k, harness.PublicPEM(t, &key.PublicKey), nil, append(wrong.settings, "MSG=x")...)
			want := wrong.want
			if wrong.consumer != "" {
				want = wrong.consumer
			}
			what, check, _ := strings.Cut(want, " (hint: check ")
			p.Wait("the page says "+want, func() bool {
				page := html.UnescapeString(string(p.Get(p.Page)))
				return strings.Contains(page, what) && (check == "" || strings.Contains(page, "Check "+check))
			})
			p.Wait("the producer's log says "+wrong.want, func() bool {
				return strings.Contains(strings.ReplaceAll(producer.Log.String(), `\"`, `"`), wrong.want)
			})
			p.Wait("the consumer's log says "+want, func() bool { // a moment after the page
				return check == "" || strings.Contains(strings.ReplaceAll(p.Log.String(), `\"`, `"`), want)
			})
			output := p.Log.String() + producer.Log.String() + string(p.Get(p.Page)) + string(p.Get(p.Metrics+"/metrics")) + string(p.Get(p.Metrics+"/readyz"))
			for _, secret := range []string{harness.ScramPassword, badPassword, refusedToken[:60], oldToken[:60], strings.Split(refusedToken, ".")[2]} {
				if strings.Contains(output, secret) {
					t.Error("a password or token is in a log, on the page or in the metrics")
				}
			}
			producer.Kill()
			p.Stop()
		})
	}
}

// Without this a record that is too large for Kafka would be reported as an outage, and nobody would check the topic.
func tooLarge(t *testing.T, k *realkafka.Secured) {
	key, limit := harness.NewKey(t), "2000"
	k.CreateTopic("small", harness.KafkaUser)
	if err := harness.Admin(t, k).AlterConfig(sarama.TopicResource, "small", map[string]*string{"max.message.bytes": &limit}, false); err != nil {
		t.Fatal(err)
	}
	settings := k.Settings("CLEAR", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USER="+harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE="+k.WriteFile("password", harness.ScramPassword), "FORMAT=envelope", "TOPIC=small")
	line := strings.Repeat("x", 5000) + "\n"
	for _, want := range []string{
		"the message is too large for the topic (hint: check the topic's max.message.bytes",
		"longer than the 1", // and the topic's limit: with the new right it is known before anything is sent
	} {
		producer := harness.StartProducer(t, k, harness.PublicPEM(t, &key.PublicKey), strings.NewReader(line), settings...)
		<-producer.Done
		if producer.ProcessState.ExitCode() != 1 || !strings.Contains(producer.Log.String(), want) {
			t.Errorf("want status 1 and %q, got %d: %s", want, producer.ProcessState.ExitCode(), producer.Log)
		}
		k.Grant(harness.KafkaUser, sarama.AclResourceTopic, "small", sarama.AclOperationDescribeConfigs)
	}
}
