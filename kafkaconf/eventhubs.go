package kafkaconf

import (
	"net/url"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/settings"
)

func (s Settings) eventHubs() bool { return s.Preset == "event-hubs" }

// namesEventHubs reports whether addr is a namespace of Event Hubs, in any of Azure's clouds.
func namesEventHubs(addr string) bool {
	return strings.Contains(strings.ToLower(addr), ".servicebus.")
}

// connectionStringUser is the user name that tells Event Hubs to expect a connection string as the password.
const connectionStringUser = "$ConnectionString"

// eventHubsBatch is the size in bytes of the largest batch that Event Hubs accepts.
const eventHubsBatch = 1_000_000

// tuneForEventHubs sets what Microsoft recommends for Kafka clients of Event Hubs.
func tuneForEventHubs(c *sarama.Config) {
	c.Net.ReadTimeout = time.Minute
	c.Producer.Timeout = time.Minute
	c.Producer.MaxMessageBytes = eventHubsBatch
	c.Consumer.Group.Session.Timeout = 30 * time.Second
}

// Idempotent reports whether writes may be idempotent. Sources disagree on whether Event Hubs' Standard tier supports
// that.
func (s Settings) Idempotent() bool { return !s.eventHubs() }

// BatchLimit returns the limit of a batch in bytes if the service cannot be asked for it, else 0.
func (s Settings) BatchLimit() int {
	if s.eventHubs() {
		return eventHubsBatch
	}
	return 0
}

// connectionString reads and checks the connection string.
func (s Settings) connectionString() (string, error) {
	const variable = "KAFKA_CONNECTION_STRING_FILE"
	text, err := settings.ReadLine(variable, s.ConnectionStringFile)
	if err != nil {
		return "", err
	}
	namespace, err := parseConnectionString(text)
	if err != nil {
		return "", err
	}
	if len(s.Brokers) > 0 && namesEventHubs(s.Brokers[0]) && !strings.EqualFold(hostOf(s.Brokers[0]), namespace) {
		return "", settings.Errorf(variable, "the connection string is for another namespace than BROKERS")
	}
	return text, nil
}

// parseConnectionString checks the connection string of a namespace or an event hub, and returns its host name.
func parseConnectionString(text string) (namespace string, err error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		name, value, found := strings.Cut(part, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); !found || value == "" || fields[name] != "" {
			return "", settings.Errorf("KAFKA_CONNECTION_STRING_FILE", "the file does not hold NAME=VALUE pairs with a semicolon between them, each name once")
		}
		fields[name] = value
	}
	endpoint, err := url.Parse(fields["endpoint"])
	if err != nil || endpoint.Scheme != "sb" || endpoint.Hostname() == "" {
		return "", settings.Errorf("KAFKA_CONNECTION_STRING_FILE", "the connection string has no Endpoint=sb://HOST/")
	}
	if fields["sharedaccesssignature"] == "" && (fields["sharedaccesskeyname"] == "" || fields["sharedaccesskey"] == "") {
		return "", settings.Errorf("KAFKA_CONNECTION_STRING_FILE", "the connection string lacks SharedAccessKeyName or SharedAccessKey")
	}
	return endpoint.Hostname(), nil
}
