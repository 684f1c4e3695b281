package kafkaconf

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Settings are the variables about the connection to Kafka; both programs embed them. None holds a secret: secrets are
// in files, which are read for each new connection, so that one which changes needs no restart.
type Settings struct {
	Brokers  []string `envconfig:"BROKERS" default:"my-cluster-kafka-bootstrap:9092" desc:"Kafka bootstrap addresses, host:port, separated by commas"`
	Preset   string   `envconfig:"KAFKA_PRESET" desc:"event-hubs: whatever Azure Event Hubs needs; empty: Apache Kafka"`
	Protocol string   `envconfig:"KAFKA_SECURITY_PROTOCOL" desc:"PLAINTEXT (also if empty), SSL, SASL_PLAINTEXT or SASL_SSL (also if empty, for event-hubs)"`

	CAFile         string `envconfig:"KAFKA_CA_FILE" desc:"file with the authorities (PEM) that brokers' certificates are checked with, instead of the system's"`
	ClientCertFile string `envconfig:"KAFKA_CLIENT_CERT_FILE" desc:"file with the client certificate (PEM), its intermediates after it"`
	ClientKeyFile  string `envconfig:"KAFKA_CLIENT_KEY_FILE" desc:"file with the client certificate's private key (PEM)"`

	Mechanism            string `envconfig:"KAFKA_SASL_MECHANISM" desc:"PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"`
	User                 string `envconfig:"KAFKA_SASL_USER" desc:"user name for PLAIN and SCRAM"`
	PasswordFile         string `envconfig:"KAFKA_SASL_PASSWORD_FILE" desc:"file with that user's password"`
	ConnectionStringFile string `envconfig:"KAFKA_CONNECTION_STRING_FILE" desc:"file with the connection string of Event Hubs, for PLAIN without user and password"`
	TokenFile            string `envconfig:"KAFKA_TOKEN_FILE" desc:"file with the token for OAUTHBEARER"`
	AzureScope           string `envconfig:"KAFKA_AZURE_SCOPE" desc:"scope of a token for OAUTHBEARER that the pod's Azure workload identity gets, without a file; for event-hubs, if empty, https://HOST/.default of the first broker"`
	CredentialsInClear   bool   `envconfig:"KAFKA_INSECURE_CREDENTIALS_IN_CLEAR" desc:"true: with SASL_PLAINTEXT, send passwords (PLAIN) and tokens for anyone on the network to read"`

	Version  string `envconfig:"KAFKA_VERSION" desc:"highest version of Kafka's protocol to use, 1.0.0 or newer; empty: 3.6.0 (event-hubs: 1.0.0)"`
	ClientID string `envconfig:"KAFKA_CLIENT_ID" desc:"name of this client in the brokers' logs and quotas, instead of the program's own"`
}

const (
	sslOnly   = "SSL"
	saslPlain = "SASL_PLAINTEXT"
	saslSSL   = "SASL_SSL"
)

func (s Settings) protocol() string {
	if s.Protocol == "" && s.eventHubs() {
		return saslSSL
	}
	return cmp.Or(s.Protocol, "PLAINTEXT")
}

func (s Settings) usesTLS() bool  { return s.protocol() == sslOnly || s.protocol() == saslSSL }
func (s Settings) usesSASL() bool { return s.protocol() == saslPlain || s.protocol() == saslSSL }

// problem is a setting that cannot be used, without its value.
type problem struct{ variable, what string }

func (p *problem) Error() string { return p.variable + ": " + p.what }

// Check reports what Load cannot see in one variable's type, and reads the files. The error joins all problems; each
// starts with the variable's name and none holds a value.
func (s Settings) Check() error {
	problems := []error{s.checkBrokers(), s.checkVersion(), s.checkClientID()}
	if s.Preset != "" && !s.eventHubs() {
		problems = append(problems, &problem{"KAFKA_PRESET", "want event-hubs or nothing"})
	}
	if !slices.Contains([]string{"PLAINTEXT", sslOnly, saslPlain, saslSSL}, s.protocol()) {
		// What else is wrong depends on what was meant.
		problems = append(problems, &problem{"KAFKA_SECURITY_PROTOCOL", "want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"})
		return errors.Join(problems...)
	}
	return errors.Join(append(problems, s.checkTLS(), s.checkSASL())...)
}

func (s Settings) checkBrokers() error {
	if len(s.Brokers) == 0 {
		return &problem{"BROKERS", "names no address; hint: host:port, separated by commas"}
	}
	for _, broker := range s.Brokers {
		if !strings.Contains(broker, ":") || strings.ContainsAny(broker, " /") {
			return &problem{"BROKERS", "holds an address that is not host:port"}
		}
	}
	if strings.Contains(s.Brokers[0], ".servicebus.") && !s.eventHubs() {
		return &problem{"KAFKA_PRESET", "BROKERS names Azure Event Hubs, which is not like other Kafka; hint: set event-hubs"}
	}
	return nil
}

func (s Settings) checkVersion() error {
	v, err := s.version()
	if err != nil || !v.IsAtLeast(sarama.V1_0_0_0) || !sarama.MaxVersion.IsAtLeast(v) {
		return &problem{"KAFKA_VERSION", fmt.Sprintf("want a version such as 3.6.0, from 1.0.0 to %s", sarama.MaxVersion)}
	}
	return nil
}

func (s Settings) checkClientID() error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if len(s.ClientID) > 249 || strings.Trim(s.ClientID, allowed) != "" {
		return &problem{"KAFKA_CLIENT_ID", "want at most 249 letters, digits, dots, underscores and hyphens"}
	}
	return nil
}

// version is the highest protocol to speak; sarama agrees on a lower one with an older broker.
func (s Settings) version() (sarama.KafkaVersion, error) {
	switch {
	case s.Version != "":
		return sarama.ParseKafkaVersion(s.Version)
	case s.eventHubs():
		return sarama.V1_0_0_0, nil
	}
	return sarama.V3_6_0_0, nil
}

// Notice says what is insecure about these settings, for people to see; empty if nothing is.
func (s Settings) Notice() string {
	if !s.usesSASL() || s.usesTLS() || !s.CredentialsInClear {
		return ""
	}
	return "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set: anyone on the network can read this program's Kafka password or token."
}

// Sarama gives the configuration of a connection to Kafka, under the given client id unless KAFKA_CLIENT_ID is set.
// Callers add what producing or consuming needs. TLS and signing in are the work of its Net.Proxy.Dialer, not of
// Net.TLS and Net.SASL: so each connection uses what the files hold at that moment.
func (s Settings) Sarama(clientID string) (*sarama.Config, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c := sarama.NewConfig()
	c.ClientID = cmp.Or(s.ClientID, clientID)
	c.Version, _ = s.version() //nolint:errcheck // checked above
	// A broker that is away should be noticed well before a person gives up on the page.
	c.Net.DialTimeout = 5 * time.Second
	c.Net.ReadTimeout = 30 * time.Second
	c.Net.WriteTimeout = 10 * time.Second
	// Below the 180 s after which Event Hubs closes a quiet connection.
	c.Metadata.RefreshFrequency = 2 * time.Minute
	// Ask only about the topics in use: a cluster may hold thousands.
	c.Metadata.Full = false
	if s.eventHubs() {
		tuneForEventHubs(c)
	}
	dialer, err := newDialer(s, c)
	if err != nil {
		return nil, err
	}
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, dialer
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("checking the Kafka settings: %w", err)
	}
	return c, nil
}

// host is an address without its port.
func host(addr string) string {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return name
}

// Backoff is the wait before try number n (from 0): doubling from 250 ms to at most limit, with jitter
// between half and whole, so that many clients do not come back in step.
func Backoff(n int, limit time.Duration) time.Duration {
	d := min(250*time.Millisecond<<min(max(n, 0), 16), limit)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}
