package consumer

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// newPipeline makes a pipeline as Run does, but without Kafka.
func newPipeline(t testing.TB) *pipeline {
	t.Helper()
	m, limiter := newMetrics(Build{}, "t"), fetchlimit.New(fetchlimit.MinBatch)
	return &pipeline{
		cfg: Config{Topic: "t", WebHistory: 1000}, feed: feed.New(1000), metrics: m, log: slog.New(slog.DiscardHandler),
		decryptor: newDecryptor(envelope.OpenerConfig{}, "t", limiter, m.decryptSeconds), onUnknownKey: func() {},
	}
}

// useKeys sets keys and waits until they are used.
func useKeys(t testing.TB, p *pipeline, keys ...*rsa.PrivateKey) {
	t.Helper()
	if err := p.decryptor.SetKeys(keys); err != nil {
		t.Error(err)
		return
	}
	p.redecrypt(<-p.decryptor.next, func() bool { return false })
}

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSealer(t testing.TB, key *rsa.PrivateKey, format envelope.Format) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *envelope.Sealer, text string, partition int32) []byte {
	t.Helper()
	value, err := s.Seal(nil, []byte(text), partition)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func sealedTexts(t *testing.T, s *envelope.Sealer, n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		values[i] = seal(t, s, fmt.Sprint(i), 0)
	}
	return values
}

func messages(from int64, values ...[]byte) []*sarama.ConsumerMessage {
	list := make([]*sarama.ConsumerMessage, len(values))
	for i, v := range values {
		list[i] = &sarama.ConsumerMessage{Topic: "t", Offset: from + int64(i), Value: v}
	}
	return list
}

func flagged(p *pipeline) (offsets []int64) {
	for _, record := range p.feed.Records() {
		if record.Flags != (feed.Flags{}) {
			offsets = append(offsets, record.Offset)
		}
	}
	return offsets
}

// newestFirst reverses messages: a history is loaded in this order.
func newestFirst(list []*sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func flagsByOffset(p *pipeline) map[int64]feed.Flags {
	flags := make(map[int64]feed.Flags)
	for _, record := range p.feed.Records() {
		if record.Flags != (feed.Flags{}) {
			flags[record.Offset] = record.Flags
		}
	}
	return flags
}

// noTimes knows of no record after which time it was appended.
func noTimes(int32, int64) time.Time { return time.Time{} }
