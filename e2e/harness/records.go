package harness

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

// Record is one record as the page's API shows it.
type Record struct {
	Rev          uint64
	Topic        string
	Partition    int32
	Offset       int64
	State        string
	Reason       string
	Encoding     string
	Value        string
	Wire         string
	KeyID        string `json:"key_id"`
	RecordKey    string `json:"record_key"`
	Sender       struct{ State, Name, Reason string }
	Flags        []string
	RejectReason string   `json:"reject_reason"`
	OtherReaders []string `json:"other_readers"`
}

// Values returns what the records show.
func Values(records []Record) []string {
	values := make([]string, len(records))
	for i, r := range records {
		values[i] = r.Value
	}
	return values
}

// Encrypt makes a record's value in the format rsa, with no code of the project.
func Encrypt(t testing.TB, key *rsa.PrivateKey, message string) []byte {
	t.Helper()
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte(message), nil)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(block))
}

// SealedFormats are the formats that can name a sender and count their records.
var SealedFormats = []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE}

// EachSealedFormat runs a test once for each of the SealedFormats.
func EachSealedFormat(t *testing.T, test func(t *testing.T, format envelope.Format)) {
	for _, format := range SealedFormats {
		t.Run(string(format), func(t *testing.T) { test(t, format) })
	}
}

// NewSealer seals as the producer does, for tests that change, move or replay the records. The file signing may be empty.
func NewSealer(t testing.TB, key *rsa.PrivateKey, signing string, format envelope.Format, topic string) func(text string, partition int32) []byte {
	t.Helper()
	return NewSealerAt(t, key, signing, format, topic, time.Now)
}

// NewSealerAt is NewSealer with another clock, for records that were recorded earlier.
func NewSealerAt(t testing.TB, key *rsa.PrivateKey, signing string, format envelope.Format, topic string, now func() time.Time) func(text string, partition int32) []byte {
	t.Helper()
	var signer ed25519.PrivateKey
	if signing != "" {
		text, err := os.ReadFile(signing)
		if err != nil {
			t.Fatal(err)
		}
		if signer, err = envelope.ParseSigningKey(text); err != nil {
			t.Fatal(err)
		}
	}
	s, err := envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: topic, Readers: []*rsa.PublicKey{&key.PublicKey}, SigningKey: signer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return func(text string, partition int32) []byte {
		value, err := s.Seal(nil, []byte(text), partition)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// ProgramHeaders are the defaults of the program, which those of its code are not.
var ProgramHeaders = producer.Headers{HeaderRecords: 64, HeaderInterval: time.Second}

// Produce runs the producer's code until count messages are acknowledged.
func Produce(t testing.TB, c Cluster, public, signing string, format envelope.Format, message string, count uint64) {
	t.Helper()
	sum, err := producer.Run(context.Background(), producer.Config{
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: Topic, Format: format,
		PublicKey: public, SigningKeyFile: signing, Message: message, Count: count, Headers: ProgramHeaders,
	}, producer.Build{}, nil, slog.New(slog.DiscardHandler))
	if err != nil || sum.Acknowledged != count {
		t.Fatalf("%+v, %v", sum, err)
	}
}

var allZero = make([]byte, 64<<20)

// Zeros is a message that compresses to almost nothing.
func Zeros(size int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Value: sarama.ByteEncoder(allZero[:size])}
}

// RandomBytes returns at least least and at most most random bytes.
func RandomBytes(least, most int) []byte {
	b := make([]byte, least+mathrand.N(most-least+1))
	for i := range b {
		b[i] = byte(mathrand.N(256))
	}
	return b
}
