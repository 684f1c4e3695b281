package kafkaconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/IBM/sarama"
)

// Cause is why Kafka cannot be used, for people to read. It holds no secret and no text that a broker chose, except
// names of hosts and certificates with nothing in them but the characters of names.
type Cause struct {
	What    string // in fixed words
	Check   string // the variable to look at, or the thing that is to be put right
	Refused bool   // Kafka answered, and said no
}

// String is one line of both.
func (c Cause) String() string { return c.What + "; hint: check " + c.Check }

// Explain tells the failures of a client with these settings apart. err may be any of sarama's or the network's.
func (s Settings) Explain(err error) Cause {
	var failed *connectError
	var refusal sarama.KError
	var wrong *problem
	switch {
	case errors.As(err, &failed):
		return s.explainConnect(failed)
	case errors.As(err, &wrong):
		return Cause{What: wrong.Error(), Check: wrong.variable}
	case errors.As(err, &refusal):
		return explainRefusal(refusal)
	}
	if cause, found := s.explainStream(err, "a broker"); found {
		return cause
	}
	return Cause{What: "no broker answers", Check: "BROKERS"}
}

// refusals are what Kafka says no to. All other codes are told in sarama's words, which are constants.
func refusals() map[sarama.KError]Cause {
	return map[sarama.KError]Cause{
		sarama.ErrTopicAuthorizationFailed:   {What: "this user is not authorized for the topic", Check: "TOPIC, and the user's rights (ACLs)"},
		sarama.ErrGroupAuthorizationFailed:   {What: "this user is not authorized for the consumer group", Check: "CONSUMERGROUP, and the user's rights (ACLs)"},
		sarama.ErrClusterAuthorizationFailed: {What: "this user is not authorized for the cluster", Check: "the user's rights (ACLs)"},
		sarama.ErrUnknownTopicOrPartition:    {What: "the topic does not exist", Check: "TOPIC"},
		sarama.ErrInvalidTopic:               {What: "the topic's name is not allowed", Check: "TOPIC"},
		sarama.ErrMessageSizeTooLarge:        {What: "the message is too large for the topic", Check: "the topic's max.message.bytes"},
		sarama.ErrMessageSetSizeTooLarge:     {What: "the batch is too large for the topic", Check: "the topic's segment.bytes"},
		sarama.ErrUnsupportedVersion:         {What: "the broker does not know this version of the protocol", Check: "KAFKA_VERSION"},
		sarama.ErrUnsupportedForMessageFormat: {
			What: "the topic's format of messages is too old for this", Check: "KAFKA_VERSION",
		},
		sarama.ErrUnsupportedSASLMechanism: {What: "the broker does not offer this way to sign in", Check: "KAFKA_SASL_MECHANISM"},
		sarama.ErrIllegalSASLState:         {What: "the broker does not expect anyone to sign in at this port", Check: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS"},
	}
}

func explainRefusal(code sarama.KError) Cause {
	if cause, known := refusals()[code]; known {
		cause.Refused = true
		return cause
	}
	return Cause{What: code.Error(), Check: "the brokers' logs"}
}

func (s Settings) explainConnect(e *connectError) Cause {
	addr := clean(e.addr)
	var wrong *problem
	if errors.As(e.err, &wrong) {
		return Cause{What: wrong.Error(), Check: wrong.variable}
	}
	switch e.at {
	case reaching:
	case handshake:
		if cause, found := s.explainCertificate(e.err, e.addr); found {
			return cause
		}
	case signingIn:
		if cause, found := s.explainSignIn(e.err); found {
			return cause
		}
	}
	if cause, found := s.explainStream(e.err, addr); found {
		return cause
	}
	return Cause{What: fmt.Sprintf("%s %s failed", e.at, addr), Check: s.nameOf(e.addr)}
}

// explainStream explains what can happen at any time of a connection.
func (s Settings) explainStream(err error, peer string) (cause Cause, found bool) {
	var dns *net.DNSError
	var op *net.OpError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return Cause{What: fmt.Sprintf("host name %s not found", clean(dns.Name)), Check: s.nameOf(dns.Name)}, true
	case errors.As(err, &op) && op.Op == "remote error":
		return s.explainAlert(op.Err.Error(), peer), true
	case errors.Is(err, syscall.ECONNREFUSED):
		return Cause{What: peer + " refuses connections: nothing listens at that port", Check: s.nameOf(peer)}, true
	case errors.As(err, &notTLS):
		return Cause{What: peer + " does not speak TLS", Check: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS"}, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Cause{What: peer + " does not answer in time", Check: s.nameOf(peer)}, true
	case ended(err):
		return Cause{What: peer + " closed the connection", Check: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS, unless Kafka is restarting"}, true
	}
	return Cause{}, false
}

// explainCertificate explains what is wrong with a broker's certificate.
func (s Settings) explainCertificate(err error, addr string) (cause Cause, found bool) {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var system x509.SystemRootsError
	switch {
	case errors.As(err, &name):
		return Cause{
			What:  fmt.Sprintf("the certificate of %s is for another name: %s", clean(addr), clean(strings.Join(namesIn(name.Certificate), ", "))),
			Check: s.nameOf(addr),
		}, true
	case errors.As(err, &authority):
		return Cause{
			What:  fmt.Sprintf("the certificate of %s is not from an authority that is trusted here: issued by %q", clean(addr), clean(authority.Cert.Issuer.CommonName)),
			Check: "KAFKA_CA_FILE",
		}, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Cause{What: fmt.Sprintf("the certificate of %s (%q) %s", clean(addr), clean(invalid.Cert.Subject.CommonName), outside(invalid.Cert)), Check: "that certificate, and this computer's clock"}, true
	case errors.As(err, &invalid):
		return Cause{What: fmt.Sprintf("the certificate of %s is not one for a server", clean(addr)), Check: "KAFKA_CA_FILE, and that certificate"}, true
	case errors.As(err, &system):
		return Cause{What: "this system has no authorities to check certificates with", Check: "KAFKA_CA_FILE"}, true
	}
	return Cause{}, false
}

// outside says how the time of now misses a certificate's.
func outside(c *x509.Certificate) string {
	if time.Now().Before(c.NotBefore) {
		return "is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)
	}
	return "expired at " + c.NotAfter.UTC().Format(time.RFC3339)
}

func namesIn(c *x509.Certificate) []string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names[:min(len(names), 4)]
}

// explainAlert explains why a broker ended TLS. What it says of certificates is about ours.
func (s Settings) explainAlert(alert, peer string) Cause {
	alert = strings.TrimPrefix(alert, "tls: ") // in words of crypto/tls
	if !strings.Contains(alert, "certificate") {
		return Cause{What: fmt.Sprintf("%s ended TLS (%s)", peer, alert), Check: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS"}
	}
	const check = "KAFKA_CLIENT_CERT_FILE"
	own, err := s.certificates()
	switch {
	case err != nil:
	case len(own) == 0:
		return Cause{What: fmt.Sprintf("%s wants a client certificate (%s)", peer, alert), Check: check, Refused: true}
	case time.Now().After(own[0].Leaf.NotAfter) || time.Now().Before(own[0].Leaf.NotBefore):
		return Cause{What: fmt.Sprintf("the client certificate (%q) %s", clean(own[0].Leaf.Subject.CommonName), outside(own[0].Leaf)), Check: check, Refused: true}
	}
	return Cause{What: fmt.Sprintf("%s does not accept the client certificate (%s)", peer, alert), Check: check, Refused: true}
}

var entraCode = regexp.MustCompile(`AADSTS[0-9]{4,8}`)

func (s Settings) explainSignIn(err error) (cause Cause, found bool) {
	var refusal sarama.KError
	var azure *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &azure):
		return Cause{What: strings.TrimSpace("Microsoft Entra gives no token " + entraCode.FindString(azure.Error())), Check: "AZURE_CLIENT_ID, AZURE_TENANT_ID and KAFKA_AZURE_SCOPE"}, true
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed): // not As: sarama puts the broker's text in between
		credentials, check := s.credentials()
		return Cause{What: "Kafka does not accept " + credentials, Check: check, Refused: true}, true
	case errors.As(err, &refusal):
		return explainRefusal(refusal), true
	case ended(err): // as some brokers do it instead of saying no
		credentials, check := s.credentials()
		return Cause{What: "Kafka closed the connection when it was given " + credentials, Check: check + ", or KAFKA_SECURITY_PROTOCOL"}, true
	}
	return Cause{}, false
}

// credentials says what this client signs in with, and where it is set.
func (s Settings) credentials() (what, check string) {
	switch {
	case s.mechanism() != oauthBearer && s.ConnectionStringFile != "":
		return "the connection string", "KAFKA_CONNECTION_STRING_FILE"
	case s.mechanism() != oauthBearer:
		return "the user name or the password", "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE"
	case s.TokenFile != "":
		return "the token", "KAFKA_TOKEN_FILE"
	}
	return "the token of the workload identity", "KAFKA_AZURE_SCOPE, and the identity's roles"
}

// ended is an end of the connection by the other side.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// nameOf says where an address comes from: from the settings, or from a broker that gave it as its own.
func (s Settings) nameOf(addr string) string {
	if slices.ContainsFunc(s.Brokers, func(known string) bool { return host(known) == host(addr) }) {
		return "BROKERS"
	}
	return "BROKERS, and the brokers' advertised.listeners"
}

// clean leaves of a name from outside what names are made of.
func clean(name string) string {
	const most = 200
	kept := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:*[]@, ", r) {
			return r
		}
		return '?'
	}, name)
	return kept[:min(len(kept), most)]
}
