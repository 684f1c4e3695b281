package kafkaconf_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// peer listens and passes each connection to serve.
func peer(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// Without it a person would only read "connection lost" if a certificate, a port or a name is wrong.
func TestFailuresAreDistinguished(t *testing.T) {
	t.Parallel()
	server := func(c x509.Certificate) (string, func(net.Conn)) {
		c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
		c.IsCA = true
		cert, key := pair(t, c)
		own, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return cert, func(conn net.Conn) {
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12})
			_, _ = io.Copy(io.Discard, secure) //nolint:errcheck // the client ends it
		}
	}
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	named := pkix.Name{CommonName: "broker <1>"}
	stranger, strange := server(x509.Certificate{IPAddresses: here, Subject: named})
	elsewhere, misnamed := server(x509.Certificate{DNSNames: []string{"kafka.example", "*.kafka.example"}})
	old, expired := server(x509.Certificate{IPAddresses: here, Subject: named, NotAfter: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)})
	early, tomorrow := server(x509.Certificate{IPAddresses: here, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)})
	ca := func(text string) kafkaconf.Settings {
		return kafkaconf.Settings{Protocol: "SSL", CAFile: file(t, text)}
	}
	other, _ := pair(t, x509.Certificate{})
	silent := peer(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 9)) }) //nolint:errcheck // closes, whatever is said
	alert := peer(t, func(conn net.Conn) {
		if _, err := conn.Write([]byte("\x15\x03\x03\x00\x02\x02\x0a")); err == nil {
			_, _ = conn.Read(make([]byte, 99)) //nolint:errcheck // it closes next
		}
	})
	web := peer(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request") }) //nolint:errcheck // it closes next
	for name, test := range map[string]struct {
		s           kafkaconf.Settings
		addr        string
		what, check string
	}{
		"no such name": {kafkaconf.Settings{}, "kafka.invalid:9092", "host name kafka.invalid not found", "BROKERS"},
		"refused":      {kafkaconf.Settings{}, "127.0.0.1:1", "127.0.0.1:1 refuses connections", "BROKERS"},
		"authority":    {ca(other), peer(t, strange), `not from an authority that is trusted here: issued by "broker ?1?"`, "KAFKA_CA_FILE"},
		"other name":   {ca(elsewhere), peer(t, misnamed), "is for another name: kafka.example, *.kafka.example", "BROKERS"},
		"expired":      {ca(old), peer(t, expired), `("broker ?1?") expired at 2020-01-02T03:04:05Z`, "clock"},
		"not yet":      {ca(early), peer(t, tomorrow), "is not valid before ", "clock"},
		"not TLS":      {ca(stranger), web, "does not speak TLS", "KAFKA_SECURITY_PROTOCOL"},
		"closed":       {ca(stranger), silent, silent + " closed the connection", "KAFKA_SECURITY_PROTOCOL"},
		"TLS in clear": {kafkaconf.Settings{}, alert, "a broker closed the connection", "KAFKA_SECURITY_PROTOCOL"},
	} {
		test.s.Brokers = []string{test.addr}
		c, err := test.s.Sarama("x")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.Metadata.Retry.Max, c.Metadata.Full = 0, true
		_, err = sarama.NewClient(test.s.Brokers, c)
		got := test.s.Explain(err)
		if err == nil || !strings.Contains(got.What, test.what) || !strings.Contains(got.Hint, test.check) || got.Refused {
			t.Errorf("%s: got %+v of %v, want %q and %q", name, got, err, test.what, test.check)
		}
		if name != "TLS in clear" {
			if last := kafkaconf.LastFailure(c); last == nil || test.s.Explain(last) != got {
				t.Errorf("%s: the latest failure is %v", name, last)
			}
		}
	}
}

// Without it a refusal by Kafka would be shown as a number or as an outage.
func TestRefusalsAreDistinguished(t *testing.T) {
	t.Parallel()
	s := kafkaconf.Settings{Brokers: []string{"a:1"}}
	refused := func(code kafkaconf.Code, what, check string) kafkaconf.Cause {
		detail := strings.TrimPrefix(what, "Kafka answers with error code ")
		if detail == what {
			detail = ""
		}
		return kafkaconf.Cause{Code: code, What: what, Hint: check, Detail: detail, Refused: true}
	}
	for want, err := range map[kafkaconf.Cause]error{
		refused("topic_forbidden", "this user is not authorized for the topic", "TOPIC, and the user's rights (ACLs)"):                               sarama.ErrTopicAuthorizationFailed,
		refused("group_forbidden", "this user is not authorized for the consumer group", "CONSUMERGROUP, and the user's rights (ACLs)"):              fmt.Errorf("joining: %w", sarama.ErrGroupAuthorizationFailed),
		refused("assignor_mismatch", "another program is in the consumer group, with another assignor", "CONSUMERGROUP"):                             sarama.ErrInconsistentGroupProtocol,
		refused("topic_missing", "the topic does not exist", "TOPIC"):                                                                                sarama.ErrUnknownTopicOrPartition,
		refused("message_too_large", "the message is too large for the topic", "the topic's max.message.bytes"):                                      &sarama.ProducerError{Err: sarama.ErrMessageSizeTooLarge},
		refused("version_unsupported", "the broker does not know this version of the protocol", "KAFKA_VERSION"):                                     sarama.ErrUnsupportedVersion,
		refused("replicas_missing", "fewer replicas are in sync than the topic demands", "the brokers, and the topic's min.insync.replicas"):         sarama.Wrap(sarama.ErrOutOfBrokers, sarama.ErrNotEnoughReplicas),
		refused(kafkaconf.PasswordRefused, "Kafka does not accept the user name or the password", "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE"):    sarama.ErrSASLAuthenticationFailed,
		refused(kafkaconf.UnknownErrorCode, "Kafka answers with error code 999", "the brokers' logs"):                                                sarama.KError(999),
		{Code: kafkaconf.NoAnswer, What: "no broker answers", Hint: "BROKERS"}:                                                                       errors.New("text that a broker chose"),
		{Code: kafkaconf.AnswerUnreadable, What: "a broker's answer cannot be read", Hint: "KAFKA_VERSION, and what listens at the port in BROKERS"}: sarama.PacketDecodingError{Info: "text that a broker chose"},
	} {
		if got := s.Explain(err); got != want {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}
