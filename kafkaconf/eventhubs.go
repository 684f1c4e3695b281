package kafkaconf

import (
	"net/url"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

func (s Settings) eventHubs() bool { return s.Preset == "event-hubs" }

// connectionStringUser is the user name that tells Event Hubs to expect a connection string as the password.
const connectionStringUser = "$ConnectionString"

// eventHubsBatch is the most that Event Hubs takes at once, in bytes.
const eventHubsBatch = 1_000_000

// tuneForEventHubs sets what Microsoft recommends for Kafka clients of Event Hubs.
func tuneForEventHubs(c *sarama.Config) {
	c.Net.ReadTimeout = time.Minute
	c.Producer.Timeout = time.Minute
	c.Producer.MaxMessageBytes = eventHubsBatch
	c.Consumer.Group.Session.Timeout = 30 * time.Second
}

// Idempotent says whether writes may be idempotent. Sources disagree on whether Event Hubs' Standard tier knows them.
func (s Settings) Idempotent() bool { return !s.eventHubs() }

// BatchLimit is how many bytes a batch may have where the service itself cannot be asked; 0 where it can.
func (s Settings) BatchLimit() int {
	if s.eventHubs() {
		return eventHubsBatch
	}
	return 0
}

// connectionString is that of the moment.
func (s Settings) connectionString() (string, error) {
	const variable = "KAFKA_CONNECTION_STRING_FILE"
	text, err := readSecret(variable, s.ConnectionStringFile)
	if err != nil {
		return "", err
	}
	namespace, err := parseConnectionString(text)
	if err != nil {
		return "", err
	}
	if len(s.Brokers) > 0 && strings.Contains(s.Brokers[0], ".servicebus.") && !strings.EqualFold(host(s.Brokers[0]), namespace) {
		return "", &problem{variable, "the connection string is for another namespace than BROKERS"}
	}
	return text, nil
}

// parseConnectionString checks the text that Azure shows for a policy of a namespace or an event hub, and gives the
// host name in it.
func parseConnectionString(text string) (namespace string, err error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		name, value, found := strings.Cut(part, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); !found || value == "" || fields[name] != "" {
			return "", &problem{"KAFKA_CONNECTION_STRING_FILE", "the file does not hold NAME=VALUE pairs with a semicolon between them, each name once"}
		}
		fields[name] = value
	}
	endpoint, err := url.Parse(fields["endpoint"])
	if err != nil || endpoint.Scheme != "sb" || endpoint.Hostname() == "" {
		return "", &problem{"KAFKA_CONNECTION_STRING_FILE", "the connection string has no Endpoint=sb://HOST/"}
	}
	if fields["sharedaccesssignature"] == "" && (fields["sharedaccesskeyname"] == "" || fields["sharedaccesskey"] == "") {
		return "", &problem{"KAFKA_CONNECTION_STRING_FILE", "the connection string lacks SharedAccessKeyName or SharedAccessKey"}
	}
	return endpoint.Hostname(), nil
}
