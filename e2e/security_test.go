package e2e_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Kafka starts once for all of these. Each says what a user would lose.
func TestSecuredKafka(t *testing.T) {
	k := startSecuredKafka(t)
	k.password(user, scramPassword)
	for _, part := range []struct {
		name string
		test func(*testing.T, *securedKafka)
	}{
		{"every way to connect", everyWayToConnect},
		{"wrong security is told apart", wrongSecurity},
		{"too large for the topic", tooLarge},
		{"password changes", passwordChanges},
		{"certificates change", certificatesChange}, // the last: it leaves the broker with other ones
	} {
		t.Run(part.name, func(t *testing.T) {
			k.t = t
			part.test(t, k)
		})
	}
}

// Without it Kafka that is secured, as it is everywhere outside a demo, could
// not be used at all.
func everyWayToConnect(t *testing.T, k *securedKafka) {
	key := newKey(t)
	k.topic("ways", user, "CN=client")
	_, url := sidecar(t, key)
	cert, certKey := k.ca.issue("client", time.Hour)
	ca := "KAFKA_CA_FILE=" + k.file("ca.pem", k.ca.pem())
	own := []string{ca, "KAFKA_CLIENT_CERT_FILE=" + k.file("client.pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.file("client.key", certKey)}
	plain := []string{ca, "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USER=" + user, "KAFKA_SASL_PASSWORD_FILE=" + k.file("plain", plainPassword+"\n")}
	scram := func(mechanism string, more ...string) []string {
		return append([]string{"KAFKA_SASL_MECHANISM=" + mechanism, "KAFKA_SASL_USER=" + user, "KAFKA_SASL_PASSWORD_FILE=" + k.file("scram", scramPassword)}, more...)
	}
	for _, way := range []struct {
		name     string
		settings []string
	}{
		{"in the clear", k.at("ADMIN")},
		{"TLS", k.at("TLS", ca)},
		{"client certificate", k.at("MTLS", own...)},
		{"PLAIN", k.at("SASL", plain...)},
		{"SCRAM-SHA-256", k.at("SASL", scram("SCRAM-SHA-256", ca)...)},
		{"SCRAM-SHA-512", k.at("SASL", scram("SCRAM-SHA-512", ca)...)},
		{"SCRAM without TLS", k.at("CLEAR", scram("SCRAM-SHA-512")...)},
		{"PLAIN in the clear", k.at("CLEAR", append(plain[1:], "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR=true")...)},
		{"token", k.at("OAUTH", ca, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_TOKEN_FILE="+k.file("token", k.token(k.tokens, time.Hour)))},
		{"older protocol, batches", k.at("TLS", ca, "KAFKA_VERSION=2.8.0", "KAFKA_CLIENT_ID=mine")},
	} {
		t.Run(way.name, func(t *testing.T) {
			way.settings = append(way.settings, "TOPIC=ways")
			p, _ := startConsumer(t, k, url, way.settings...)
			producer := startProducer(t, k, publicPEM(t, &key.PublicKey), strings.NewReader(way.name+" 1\n"+way.name+" 2\n"), append(way.settings,
				"KAFKA_COMPRESSION=gzip", "KAFKA_LINGER=5ms", "KAFKA_BATCH_BYTES=16384")...)
			producer.ended()
			p.wait("both messages are shown", func() bool {
				found := 0
				for _, r := range p.records() {
					if r.State == "decrypted" && strings.HasPrefix(r.Value, way.name) {
						found++
					}
				}
				return found == 2
			})
			inTheOpen := way.name == "PLAIN in the clear"
			if shown := strings.Contains(string(p.get(p.page)), "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set"); shown != inTheOpen {
				t.Errorf("the page's notice about the password in the clear: %v, want %v", shown, inTheOpen)
			}
			for _, log := range []string{p.log.String(), producer.log.String()} {
				if strings.Contains(log, "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set") != inTheOpen {
					t.Errorf("a log's notice about the password in the clear is wrong: %s", log)
				}
				if strings.Contains(log, plainPassword) || strings.Contains(log, scramPassword) {
					t.Error("a password is in a log")
				}
			}
			p.stop()
		})
	}
}

// Without it a password that is changed, as rules demand, would cost an outage
// of everything that uses it, or lose what was accepted meanwhile.
func passwordChanges(t *testing.T, k *securedKafka) {
	key := newKey(t)
	k.topic("password", user)
	_, url := sidecar(t, key)
	settings := k.at("SASL", "TOPIC=password", "KAFKA_CA_FILE="+k.file("ca.pem", k.ca.pem()), "KAFKA_SASL_MECHANISM=SCRAM-SHA-512",
		"KAFKA_SASL_USER="+user, "KAFKA_SASL_PASSWORD_FILE="+k.file("password", scramPassword))
	changing(t, k, settings, url, publicPEM(t, &key.PublicKey), change{
		refused: "Kafka does not accept the user name or the password; hint: check KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE",
		broker:  func() { k.password(user, "canary-second-password") },
		client:  func() { k.file("password", "canary-second-password\n") },
	})
}

// Without it the renewal of certificates, which Strimzi does by itself, would
// end in an outage until someone restarts everything.
func certificatesChange(t *testing.T, k *securedKafka) {
	key := newKey(t)
	k.topic("certificates", "CN=client")
	_, url := sidecar(t, key)
	files := func(ca *authority) []string {
		cert, certKey := ca.issue("client", time.Hour)
		return []string{"KAFKA_CA_FILE=" + k.file("ca.pem", ca.pem()), "KAFKA_CLIENT_CERT_FILE=" + k.file("client.pem", cert), "KAFKA_CLIENT_KEY_FILE=" + k.file("client.key", certKey), "TOPIC=certificates"}
	}
	next := newAuthority(t, "next authority")
	changing(t, k, k.at("MTLS", files(k.ca)...), url, publicPEM(t, &key.PublicKey), change{
		refused: `is not from an authority that is trusted here: issued by \"next authority\"; hint: check KAFKA_CA_FILE`,
		broker: func() {
			for name, text := range k.brokerFiles(next) {
				docker(t, "cp", k.file(name, text), k.id+":/tls/"+name)
			}
			docker(t, "restart", "-t", "0", k.id)
			k.file("ca.pem", k.ca.pem()) // brokerFiles has one of that name
			k.ready()
		},
		client: func() { files(next) },
	})
}

// change is one of what both sides know, first at the broker, then at its clients.
type change struct {
	refused        string // what the logs say in between
	broker, client func()
}

// changing sends before, during and after the change, and wants everything to
// be acknowledged and read without a restart of a program.
func changing(t *testing.T, k *securedKafka, settings []string, url, public string, change change) {
	t.Helper()
	p, _ := startConsumer(t, k, url, settings...)
	in, feed := io.Pipe()
	defer feed.Close()
	producer := startProducer(t, k, public, in, settings...)
	send := func(from, to int) {
		for n := from; n < to; n++ {
			if _, err := fmt.Fprintf(feed, "message %d\n", n); err != nil {
				t.Error(err)
			}
		}
	}
	send(0, 20)
	p.wait("the first messages are read", func() bool { return read(p) >= 20 })
	change.broker()
	for n := 20; ; n++ { // a connection that is quiet would not notice
		send(n, n+1)
		if n > 24 && strings.Contains(p.log.String(), change.refused) && strings.Contains(producer.log.String(), change.refused) {
			began := time.Now()
			change.client()
			send(n+1, n+21)
			feed.Close()
			producer.ended() // with status 0 only if every message was acknowledged
			records := p.waitStates(map[string]int{"decrypted": n + 21})
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
			t.Fatalf("the change is not noticed; consumer: %s\nproducer: %s", p.log, producer.log)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
