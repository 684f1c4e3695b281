// Package kafkaconf turns settings into a sarama configuration, and explains Kafka's errors.
//
//	conf, err := cfg.Settings.Sarama("my-program")
//	client, err := sarama.NewClient(cfg.Brokers, conf)
//	if err != nil {
//		log.Error(cfg.Explain(err).String())
//	}
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

	"kafka-e2ee/settings"
)

// Settings are the settings of the connection to Kafka; both programs embed them. They hold no secrets. Secrets are in
// files, which are read for each new connection, so a changed file needs no restart.
type Settings struct {
	Brokers  []string `envconfig:"BROKERS" empty:"default" blanks:"cut" default:"my-cluster-kafka-bootstrap:9092" desc:"Kafka bootstrap addresses, host:port, separated by commas"`
	Preset   string   `envconfig:"KAFKA_PRESET" desc:"event-hubs: settings that Azure Event Hubs needs; empty: Apache Kafka"`
	Protocol string   `envconfig:"KAFKA_SECURITY_PROTOCOL" desc:"PLAINTEXT (also if empty), SSL, SASL_PLAINTEXT or SASL_SSL (also if empty, for event-hubs)"`

	CAFile         string `envconfig:"KAFKA_CA_FILE" desc:"file with the authorities (PEM) to trust for brokers' certificates, instead of the system's"`
	ClientCertFile string `envconfig:"KAFKA_CLIENT_CERT_FILE" desc:"file with the client certificate (PEM), followed by its intermediates"`
	ClientKeyFile  string `envconfig:"KAFKA_CLIENT_KEY_FILE" desc:"file with the client certificate's private key (PEM)"`

	Mechanism            string `envconfig:"KAFKA_SASL_MECHANISM" desc:"PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"`
	User                 string `envconfig:"KAFKA_SASL_USER" desc:"user name for PLAIN and SCRAM"`
	PasswordFile         string `envconfig:"KAFKA_SASL_PASSWORD_FILE" desc:"file with the password of KAFKA_SASL_USER"`
	ConnectionStringFile string `envconfig:"KAFKA_CONNECTION_STRING_FILE" desc:"file with the connection string of Event Hubs, for PLAIN instead of user and password"`
	TokenFile            string `envconfig:"KAFKA_TOKEN_FILE" desc:"file with the token for OAUTHBEARER"`
	AzureScope           string `envconfig:"KAFKA_AZURE_SCOPE" blanks:"cut" desc:"scope of the token for OAUTHBEARER that the pod's Azure workload identity requests, instead of KAFKA_TOKEN_FILE; empty with event-hubs: https://HOST/.default of the first broker"`
	AzureIdentity        string `envconfig:"KAFKA_AZURE_IDENTITY" blanks:"cut" desc:"whose token KAFKA_AZURE_SCOPE is for: workload (also if empty), the pod's workload identity; managed, the managed identity of the container group or machine, its only one"`
	CredentialsInClear   bool   `envconfig:"KAFKA_INSECURE_CREDENTIALS_IN_CLEAR" desc:"true: allow SASL_PLAINTEXT to send passwords (PLAIN) and tokens that anyone on the network can read"`

	Version  string `envconfig:"KAFKA_VERSION" desc:"highest version of Kafka's protocol to use, 1.0.0 or later; empty: 3.6.0 (event-hubs: 1.0.0)"`
	ClientID string `envconfig:"KAFKA_CLIENT_ID" desc:"name of this client in the brokers' logs and quotas, instead of the program's name"`
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

// Check checks the values and reads the files. The error joins all problems, each a [settings.Error].
func (s Settings) Check() error {
	problems := []error{s.checkBrokers(), s.checkVersion()}
	if !isKafkaName(s.ClientID) {
		problems = append(problems, settings.Errorf("KAFKA_CLIENT_ID", wantedName))
	}
	if s.Preset != "" && !s.eventHubs() {
		problems = append(problems, settings.Errorf("KAFKA_PRESET", "want event-hubs or nothing"))
	}
	if !slices.Contains([]string{"PLAINTEXT", sslOnly, saslPlain, saslSSL}, s.protocol()) {
		// The other checks depend on the protocol.
		problems = append(problems, settings.Errorf("KAFKA_SECURITY_PROTOCOL", "want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"))
		return errors.Join(problems...)
	}
	return errors.Join(append(problems, s.checkTLS(), s.checkSASL())...)
}

func (s Settings) checkBrokers() error {
	if len(s.Brokers) == 0 {
		return settings.Errorf("BROKERS", "names no address (hint: host:port, separated by commas)")
	}
	for i, broker := range s.Brokers {
		if err := settings.CheckDialAddr(broker); err != nil {
			return settings.Errorf("BROKERS", "address %d of %d %w", i+1, len(s.Brokers), err)
		}
	}
	if namesEventHubs(s.Brokers[0]) && !s.eventHubs() {
		return settings.Errorf("KAFKA_PRESET", "BROKERS names Azure Event Hubs, which differs from other Kafka (hint: set event-hubs)")
	}
	return nil
}

func (s Settings) checkVersion() error {
	v, err := s.version()
	if err != nil || !v.IsAtLeast(sarama.V1_0_0_0) || !sarama.MaxVersion.IsAtLeast(v) {
		return settings.Errorf("KAFKA_VERSION", "want a version such as 3.6.0, from 1.0.0 to %s", sarama.MaxVersion)
	}
	return nil
}

// variable is an environment variable and its value.
type variable struct{ name, value string }

// unused reports variables that are set but would be ignored.
func unused(why string, variables ...variable) error {
	var problems []error
	for _, v := range variables {
		if v.value != "" {
			problems = append(problems, settings.Errorf(v.name, "%s", why))
		}
	}
	return errors.Join(problems...)
}

// CheckTopic reports an error unless Kafka allows a topic of that name.
func CheckTopic(variable, topic string) error {
	switch {
	case topic == "":
		return settings.Errorf(variable, "is empty")
	case !isKafkaName(topic), topic == ".", topic == "..":
		return settings.Errorf(variable, wantedName)
	}
	return nil
}

const wantedName = "want at most 249 letters, digits, dots, underscores and hyphens"

func isKafkaName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return len(name) <= 249 && strings.Trim(name, allowed) == ""
}

// version is the highest protocol version to use. sarama agrees on a lower one with older brokers.
func (s Settings) version() (sarama.KafkaVersion, error) {
	switch {
	case s.Version != "":
		return sarama.ParseKafkaVersion(s.Version)
	case s.eventHubs():
		return sarama.V1_0_0_0, nil
	}
	return sarama.V3_6_0_0, nil
}

// Notice returns a warning about an insecure setting, or the empty string.
func (s Settings) Notice() string {
	if !s.usesSASL() || s.usesTLS() || !s.CredentialsInClear {
		return ""
	}
	return "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR is set: anyone on the network can read this program's Kafka password or token."
}

// Sarama returns a configuration of connections to Kafka, with the given client id unless KAFKA_CLIENT_ID is set. Callers
// add the options of producing or consuming. Its Net.Proxy.Dialer does TLS and signing in, instead of Net.TLS and
// Net.SASL, so that each connection uses the current content of the files.
func (s Settings) Sarama(clientID string) (*sarama.Config, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c := sarama.NewConfig()
	c.ClientID = cmp.Or(s.ClientID, clientID)
	c.Version, _ = s.version() //nolint:errcheck // checked above
	// Report an unreachable broker well before a person gives up on the page.
	c.Net.DialTimeout = 5 * time.Second
	c.Net.ReadTimeout = 30 * time.Second
	c.Net.WriteTimeout = 10 * time.Second
	// Event Hubs closes connections that are idle for 180 s.
	c.Metadata.RefreshFrequency = 2 * time.Minute
	// Fetch metadata of the topics in use only: a cluster may have thousands.
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

// hostOf returns an address without its port.
func hostOf(addr string) string {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return name
}

// Backoff returns the wait before attempt n, counted from 0. It doubles from 250 ms up to limit, and is
// random from half of that on, so that many clients do not retry at the same time.
func Backoff(n int, limit time.Duration) time.Duration {
	d := min(250*time.Millisecond<<min(max(n, 0), 16), limit)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}
