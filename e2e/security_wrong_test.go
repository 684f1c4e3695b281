package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Without it whoever has one of ten things wrong would be told that Kafka is not
// reachable, and try all ten.
func wrongSecurity(t *testing.T, k *securedKafka) {
	key := newKey(t)
	k.topic(topic, user, "CN=client")
	_, url := sidecar(t, key)
	k.password("stranger", scramPassword)
	k.password("reader", scramPassword)
	k.grant("reader", sarama.AclResourceTopic, topic, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
	forger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca := "KAFKA_CA_FILE=" + k.file("ca.pem", k.ca.pem())
	client := func(name string, by *authority, lasts time.Duration) []string {
		cert, certKey := by.issue("client", lasts)
		return []string{ca, "KAFKA_CLIENT_CERT_FILE=" + k.file(name+".pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.file(name+".key", certKey)}
	}
	signIn := func(name, mechanism, password string) []string {
		return []string{ca, "KAFKA_SASL_MECHANISM=" + mechanism, "KAFKA_SASL_USER=" + name, "KAFKA_SASL_PASSWORD_FILE=" + k.file("password of "+name+mechanism+password, password)}
	}
	token := func(name, text string) []string {
		return []string{ca, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_TOKEN_FILE=" + k.file(name, text)}
	}
	refusedToken := k.token(forger, time.Hour)
	oldToken := k.token(k.tokens, -time.Minute)
	port := func(listener string) string { _, port, _ := strings.Cut(k.listeners[listener], ":"); return port }
	const badPassword = "canary-wrong-password"
	for _, wrong := range []struct {
		name     string
		settings []string
		want     string // in the logs of both programs and on the page
		consumer string // instead, for the consumer; "-" where it is not concerned
	}{
		{"name", []string{"BROKERS=kafka.invalid:9092"}, "host name kafka.invalid not found; hint: check BROKERS", ""},
		{"port", []string{"BROKERS=localhost:1"}, "localhost:1 refuses connections: nothing listens at that port; hint: check BROKERS", ""},
		{"no TLS", []string{"BROKERS=" + k.listeners["TLS"]}, "a broker closed the connection; hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"TLS in vain", []string{"BROKERS=" + k.listeners["ADMIN"], "KAFKA_SECURITY_PROTOCOL=SSL", ca}, k.listeners["ADMIN"] + " closed the connection; hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"no authority", k.at("TLS"), `is not from an authority that is trusted here: issued by "test authority"; hint: check KAFKA_CA_FILE`, ""},
		{"other name", []string{"BROKERS=127.0.0.1:" + port("TLS"), "KAFKA_SECURITY_PROTOCOL=SSL", ca}, "the certificate of 127.0.0.1:" + port("TLS") + " is for another name: localhost; hint: check BROKERS", ""},
		{"expired broker", k.at("EXPIRED", ca), `("old broker") expired at `, ""},
		{"no certificate", k.at("MTLS", ca), "wants a client certificate (", ""},
		{"expired client", k.at("MTLS", client("old", k.ca, -time.Hour)...), `the client certificate ("client") expired at `, ""},
		{"strange client", k.at("MTLS", client("strange", newAuthority(t, "another"), time.Hour)...), "does not accept the client certificate (", ""},
		{"no sign-in", []string{"BROKERS=" + k.listeners["SASL"], "KAFKA_SECURITY_PROTOCOL=SSL", ca}, "a broker closed the connection; hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"sign-in in vain", append([]string{"BROKERS=" + k.listeners["TLS"], "KAFKA_SECURITY_PROTOCOL=SASL_SSL"}, signIn(user, "SCRAM-SHA-512", scramPassword)...), "the broker does not expect anyone to sign in at this port; hint: check KAFKA_SECURITY_PROTOCOL", ""},
		{"SCRAM password", k.at("SASL", signIn(user, "SCRAM-SHA-512", badPassword)...), "Kafka does not accept the user name or the password; hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", ""},
		{"PLAIN password", k.at("SASL", signIn(user, "PLAIN", badPassword)...), "Kafka does not accept the user name or the password; hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", ""},
		{"mechanism", k.at("OAUTH", signIn(user, "SCRAM-SHA-512", scramPassword)...), "the broker does not offer this way to sign in; hint: check KAFKA_SASL_MECHANISM", ""},
		{"forged token", k.at("OAUTH", token("forged", refusedToken)...), "Kafka does not accept the token; hint: check KAFKA_TOKEN_FILE", ""},
		{"old token", k.at("OAUTH", token("old", oldToken)...), "the token expired at ", ""},
		{"topic's rights", k.at("SASL", signIn("stranger", "SCRAM-SHA-512", scramPassword)...), "this user is not authorized for the topic; hint: check TOPIC", ""},
		{"group's rights", k.at("SASL", signIn("reader", "SCRAM-SHA-256", scramPassword)...), `"msg":"connected to Kafka"`, "this user is not authorized for the consumer group; hint: check CONSUMERGROUP"},
		{"no topic", k.at("ADMIN", "TOPIC=no-such-topic"), "the topic does not exist; hint: check TOPIC", "Topic no-such-topic does not exist."},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			p, _ := startConsumer(t, k, url, wrong.settings...)
			producer := startProducer(t, k, publicPEM(t, &key.PublicKey), nil, append(wrong.settings, "MSG=x")...)
			want := wrong.want
			if wrong.consumer != "" {
				want = wrong.consumer
			}
			what, check, _ := strings.Cut(want, "; hint: check ")
			p.wait("the page says "+want, func() bool {
				page := html.UnescapeString(string(p.get(p.page)))
				return strings.Contains(page, what) && (check == "" || strings.Contains(page, "Check "+check))
			})
			p.wait("the producer's log says "+wrong.want, func() bool {
				return strings.Contains(strings.ReplaceAll(producer.log.String(), `\"`, `"`), wrong.want)
			})
			if log := strings.ReplaceAll(p.log.String(), `\"`, `"`); check != "" && !strings.Contains(log, want) {
				t.Errorf("the consumer's log does not say %q: %s", want, log)
			}
			output := p.log.String() + producer.log.String() + string(p.get(p.page)) + string(p.get(p.metrics+"/metrics")) + string(p.get(p.metrics+"/readyz"))
			for _, secret := range []string{scramPassword, badPassword, refusedToken[:60], oldToken[:60], strings.Split(refusedToken, ".")[2]} {
				if strings.Contains(output, secret) {
					t.Error("a password or token is in a log, on the page or in the metrics")
				}
			}
			producer.kill()
			p.stop()
		})
	}
}

// Without it a record that Kafka will not take would be reported as an outage,
// and nobody look at the topic.
func tooLarge(t *testing.T, k *securedKafka) {
	key, limit := newKey(t), "2000"
	k.topic("small", user)
	if err := admin(t, k).AlterConfig(sarama.TopicResource, "small", map[string]*string{"max.message.bytes": &limit}, false); err != nil {
		t.Fatal(err)
	}
	settings := k.at("CLEAR", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USER="+user, "KAFKA_SASL_PASSWORD_FILE="+k.file("password", scramPassword), "FORMAT=envelope", "TOPIC=small")
	line := strings.Repeat("x", 5000) + "\n"
	for _, want := range []string{
		"the message is too large for the topic; hint: check the topic's max.message.bytes",
		"longer than the 1", // and how many bytes this topic holds: it is known before anything is sent
	} {
		producer := startProducer(t, k, publicPEM(t, &key.PublicKey), strings.NewReader(line), settings...)
		<-producer.done
		if producer.ProcessState.ExitCode() != 1 || !strings.Contains(producer.log.String(), want) {
			t.Errorf("want status 1 and %q, got %d: %s", want, producer.ProcessState.ExitCode(), producer.log)
		}
		k.grant(user, sarama.AclResourceTopic, "small", sarama.AclOperationDescribeConfigs)
	}
}

// Without it a typo would be found by a retry that never ends, in a pod that
// looks healthy.
func TestWrongSettingsEndThePrograms(t *testing.T) {
	t.Parallel()
	settings := []string{
		"PUBKEY=" + publicPEM(t, &newKey(t).PublicKey), "METRICS_ADDR=", "WEB_ADDR=127.0.0.1:0",
		"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USER=" + user, "KAFKA_CA_FILE=/canary-path", "KAFKA_VERSION=9",
	}
	for _, name := range []string{"produce", "consume"} {
		p := start(t, name, nil, settings...)
		<-p.done
		log := p.log.String()
		wanted := []string{"KAFKA_CA_FILE: reading the file: no such file", "KAFKA_SASL_PASSWORD_FILE: is not set", "KAFKA_VERSION: want"}
		if p.ProcessState.ExitCode() != 2 || slices.ContainsFunc(wanted, func(want string) bool { return !strings.Contains(log, want) }) || strings.Contains(log, "canary") {
			t.Errorf("%s: status %d, %s", name, p.ProcessState.ExitCode(), log)
		}
	}
}
