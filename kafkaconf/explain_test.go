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

// peer listens, and does with each connection what it is told.
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

// Without it "connection lost" would be all that a person learns of a
// certificate, a port or a name that is wrong.
func TestFailuresAreToldApart(t *testing.T) {
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
		if err == nil || !strings.Contains(got.What, test.what) || !strings.Contains(got.Check, test.check) || got.Refused {
			t.Errorf("%s: got %+v of %v, want %q and %q", name, got, err, test.what, test.check)
		}
		if name != "TLS in clear" {
			if last := kafkaconf.LastFailure(c); last == nil || test.s.Explain(last) != got {
				t.Errorf("%s: the latest failure is %v", name, last)
			}
		}
	}
}

// Without it what Kafka itself refuses would be shown as a number or as an outage.
func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	s := kafkaconf.Settings{Brokers: []string{"a:1"}}
	for want, err := range map[kafkaconf.Cause]error{
		{What: "this user is not authorized for the topic", Check: "TOPIC, and the user's rights (ACLs)", Refused: true}:                  sarama.ErrTopicAuthorizationFailed,
		{What: "this user is not authorized for the consumer group", Check: "CONSUMERGROUP, and the user's rights (ACLs)", Refused: true}: fmt.Errorf("joining: %w", sarama.ErrGroupAuthorizationFailed),
		{What: "the topic does not exist", Check: "TOPIC", Refused: true}:                                                                 sarama.ErrUnknownTopicOrPartition,
		{What: "the message is too large for the topic", Check: "the topic's max.message.bytes", Refused: true}:                           &sarama.ProducerError{Err: sarama.ErrMessageSizeTooLarge},
		{What: "the broker does not know this version of the protocol", Check: "KAFKA_VERSION", Refused: true}:                            sarama.ErrUnsupportedVersion,
		{What: sarama.ErrNotEnoughReplicas.Error(), Check: "the brokers' logs"}:                                                           sarama.Wrap(sarama.ErrOutOfBrokers, sarama.ErrNotEnoughReplicas),
		{What: "no broker answers", Check: "BROKERS"}:                                                                                     errors.New("text that a broker chose"),
	} {
		if got := s.Explain(err); got != want {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}
