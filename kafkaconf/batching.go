package kafkaconf

import (
	"errors"
	"time"

	"github.com/IBM/sarama"
)

// Batching is how a producer puts records together. The zero value sends what is there as soon as Kafka takes it.
type Batching struct {
	Compression string        `envconfig:"KAFKA_COMPRESSION" default:"none" desc:"codec of the batches: none, gzip, snappy, lz4 or zstd (event-hubs: none or gzip)"`
	Linger      time.Duration `envconfig:"KAFKA_LINGER" default:"0s" desc:"how long a batch waits for more records, at most 5s; 0s: not at all"`
	BatchBytes  int           `envconfig:"KAFKA_BATCH_BYTES" default:"0" desc:"bytes at which a batch no longer waits for KAFKA_LINGER; 0: no such limit"`
}

// longestLinger leaves a program that is told to end the time to send what still waits.
const longestLinger = 5 * time.Second

// Check reports what is wrong for a connection with these settings. The error joins all problems.
func (b Batching) Check(s Settings) error {
	var problems []error
	codec, err := b.codec()
	switch {
	case err != nil:
		problems = append(problems, err)
	case s.eventHubs() && codec != sarama.CompressionNone && codec != sarama.CompressionGZIP:
		problems = append(problems, &problem{"KAFKA_COMPRESSION", "Event Hubs takes none or, on its Premium and Dedicated tiers, gzip"})
	}
	if b.Linger < 0 || b.Linger > longestLinger {
		problems = append(problems, &problem{"KAFKA_LINGER", "want 0s to 5s"})
	}
	switch {
	case b.BatchBytes < 0:
		problems = append(problems, &problem{"KAFKA_BATCH_BYTES", "want a number from 0"})
	case b.BatchBytes > 0 && b.Linger == 0:
		problems = append(problems, &problem{"KAFKA_BATCH_BYTES", "does nothing without KAFKA_LINGER"})
	}
	return errors.Join(problems...)
}

// Apply puts the settings into a configuration. They must have passed Check.
func (b Batching) Apply(c *sarama.Config) {
	c.Producer.Compression, _ = b.codec() //nolint:errcheck // checked before
	c.Producer.Flush.Frequency = b.Linger
	c.Producer.Flush.Bytes = b.BatchBytes
}

// codec compresses batches. What all records of a data key have in common then takes next to no room.
func (b Batching) codec() (codec sarama.CompressionCodec, err error) {
	if b.Compression != "" && codec.UnmarshalText([]byte(b.Compression)) != nil {
		return codec, &problem{"KAFKA_COMPRESSION", "want none, gzip, snappy, lz4 or zstd"}
	}
	return codec, nil
}
