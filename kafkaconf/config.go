package kafkaconf

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Settings are the variables about the connection to Kafka; both programs embed them.
type Settings struct {
	// Brokers are the bootstrap addresses, each host:port.
	Brokers []string `envconfig:"BROKERS" default:"my-cluster-kafka-bootstrap:9092" desc:"Kafka bootstrap addresses, host:port, separated by commas"`
}

// Check reports what Load cannot see in one variable's type. The error holds no value.
func (s Settings) Check() error {
	if len(s.Brokers) == 0 {
		return errors.New("BROKERS: names no address; hint: host:port, separated by commas")
	}
	for _, broker := range s.Brokers {
		if !strings.Contains(broker, ":") || strings.ContainsAny(broker, " /") {
			return errors.New("BROKERS: holds an address that is not host:port")
		}
	}
	return nil
}

// Sarama gives the configuration of a plain connection to Kafka 2.8 to 4.3, under the given client id.
// Callers add what producing or consuming needs.
func (s Settings) Sarama(clientID string) (*sarama.Config, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	c := sarama.NewConfig()
	c.ClientID = clientID
	// The highest protocol we speak; sarama agrees on a lower one with an older broker.
	c.Version = sarama.V3_6_0_0
	// A broker that is away should be noticed well before a person gives up on the page.
	c.Net.DialTimeout = 5 * time.Second
	c.Net.ReadTimeout = 30 * time.Second
	c.Net.WriteTimeout = 10 * time.Second
	// Below the 180 s after which Event Hubs closes a quiet connection.
	c.Metadata.RefreshFrequency = 2 * time.Minute
	// Ask only about the topics in use: a cluster may hold thousands.
	c.Metadata.Full = false
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("checking the Kafka settings: %w", err)
	}
	return c, nil
}

// Backoff is the wait before try number n (from 0): doubling from 250 ms to at most limit, with jitter
// between half and whole, so that many clients do not come back in step.
func Backoff(n int, limit time.Duration) time.Duration {
	d := min(250*time.Millisecond<<min(max(n, 0), 16), limit)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}
