package kafkaconf

import (
	"errors"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/settings"
)

// Batching holds the settings of a producer's batches. The zero value sends records as soon as Kafka accepts them.
type Batching struct {
	Compression string        `envconfig:"KAFKA_COMPRESSION" default:"none" desc:"compression of batches: none, gzip, snappy, lz4 or zstd (event-hubs: none or gzip)"`
	Linger      time.Duration `envconfig:"KAFKA_LINGER" default:"0s" desc:"how long a batch waits for more records, at most 5s; 0s: it does not wait"`
	BatchBytes  int           `envconfig:"KAFKA_BATCH_BYTES" default:"0" desc:"size in bytes at which a batch is sent before KAFKA_LINGER is over; 0: no such limit"`
}

// maxLinger leaves a program that is told to stop enough time to send its last batch.
const maxLinger = 5 * time.Second

// Check reports values that are wrong for a connection with settings s. The error joins all problems.
func (b Batching) Check(s Settings) error {
	var problems []error
	codec, err := b.codec()
	switch {
	case err != nil:
		problems = append(problems, err)
	case s.eventHubs() && codec != sarama.CompressionNone && codec != sarama.CompressionGZIP:
		problems = append(problems, settings.Errorf("KAFKA_COMPRESSION", "Event Hubs takes none or, on its Premium and Dedicated tiers, gzip"))
	}
	if b.Linger < 0 || b.Linger > maxLinger {
		problems = append(problems, settings.Errorf("KAFKA_LINGER", "want 0s to 5s"))
	}
	switch {
	case b.BatchBytes < 0:
		problems = append(problems, settings.Errorf("KAFKA_BATCH_BYTES", "want a number from 0"))
	case b.BatchBytes > 0 && b.Linger == 0:
		problems = append(problems, settings.Errorf("KAFKA_BATCH_BYTES", "does nothing without KAFKA_LINGER"))
	}
	return errors.Join(problems...)
}

// Apply copies the settings, which must have passed Check, to a configuration.
func (b Batching) Apply(c *sarama.Config) {
	c.Producer.Compression, _ = b.codec() //nolint:errcheck // checked before
	c.Producer.Flush.Frequency = b.Linger
	c.Producer.Flush.Bytes = b.BatchBytes
}

func (b Batching) codec() (codec sarama.CompressionCodec, err error) {
	if b.Compression != "" && codec.UnmarshalText([]byte(b.Compression)) != nil {
		return codec, settings.Errorf("KAFKA_COMPRESSION", "want none, gzip, snappy, lz4 or zstd")
	}
	return codec, nil
}
