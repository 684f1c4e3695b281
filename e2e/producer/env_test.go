package producer_test

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const producerTopic = "produced"

type producerEnv struct {
	key    *rsa.PrivateKey
	pem    string
	broker *kfake.Cluster
	addr   string
	log    *harness.LogBuffer
}

func newProducerEnv(t *testing.T, partitions int32) *producerEnv {
	t.Helper()
	key := harness.NewKeyOf(t, 2048)
	b := &producerEnv{key: key, log: new(harness.LogBuffer), pem: harness.PublicPEM(t, &key.PublicKey)}
	if partitions > 0 {
		b.start(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, producerTopic))
	}
	return b
}

func (b *producerEnv) start(t *testing.T, opts ...kfake.Opt) {
	t.Helper()
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b.broker, b.addr = cluster, cluster.ListenAddrs()[0]
}

func (b *producerEnv) config() producer.Config {
	return producer.Config{Settings: kafkaconf.Settings{Brokers: []string{b.addr}}, Topic: producerTopic, Format: envelope.FormatRSA, PublicKey: b.pem, Message: "canary", Headers: harness.ProgramHeaders}
}

func (b *producerEnv) run(ctx context.Context, cfg producer.Config, in io.Reader) (producer.Summary, error) {
	return producer.Run(ctx, cfg, producer.Build{Version: "test"}, in, slog.New(slog.NewJSONHandler(b.log, nil)))
}

// stored returns the records that Kafka holds by partition. They must have neither keys nor headers.
func (b *producerEnv) stored(t *testing.T) [][]*sarama.ConsumerMessage {
	t.Helper()
	all := b.storedWithKeys(t)
	for _, records := range all {
		for _, m := range records {
			if len(m.Key) > 0 || len(m.Headers) > 0 {
				t.Fatalf("offset %d: key %q, %d headers", m.Offset, m.Key, len(m.Headers))
			}
		}
	}
	return all
}

func (b *producerEnv) storedWithKeys(t *testing.T) [][]*sarama.ConsumerMessage {
	t.Helper()
	client, err := sarama.NewClient([]string{b.addr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, client)
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, consumer)
	partitions, err := client.Partitions(producerTopic)
	if err != nil {
		t.Fatal(err)
	}
	all := make([][]*sarama.ConsumerMessage, len(partitions))
	for i, partition := range partitions {
		end, err := client.GetOffset(producerTopic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		pc, err := consumer.ConsumePartition(producerTopic, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for m := range pc.Messages() {
			all[i] = append(all[i], m)
			if m.Offset == end-1 {
				break
			}
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// decrypted returns the messages of records in the format rsa, decrypted with no code of the project.
func (b *producerEnv) decrypted(t *testing.T) [][]string {
	t.Helper()
	stored := b.stored(t)
	all := make([][]string, len(stored))
	for i, records := range stored {
		for _, m := range records {
			ciphertext, err := base64.StdEncoding.Strict().DecodeString(string(m.Value))
			if err != nil {
				t.Fatal(err)
			}
			text, err := rsa.DecryptOAEP(sha256.New(), nil, b.key, ciphertext, nil)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = append(all[i], string(text))
		}
	}
	return all
}

// wantNumbered checks that Msg 1 to Msg n are there once each, in order within each partition.
func wantNumbered(t *testing.T, got [][]string, n int) {
	t.Helper()
	seen := make(map[int]bool)
	for partition, texts := range got {
		last := 0
		for _, text := range texts {
			var number int
			if _, err := fmt.Sscanf(text, "Msg %d: canary", &number); err != nil || seen[number] || number <= last {
				t.Fatalf("partition %d: %q after Msg %d: %v", partition, text, last, err)
			}
			seen[number], last = true, number
		}
	}
	if len(seen) != n || n > 0 && (!seen[1] || !seen[n]) {
		t.Fatalf("%d messages, want Msg 1 to Msg %d", len(seen), n)
	}
}

func wantSummary(t *testing.T, got producer.Summary, sent, acknowledged, failed uint64) {
	t.Helper()
	if want := (producer.Summary{Sent: sent, Acknowledged: acknowledged, Failed: failed}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// writeNumbered returns early once nobody reads.
func writeNumbered(t *testing.T, w io.Writer, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if _, err := fmt.Fprintf(w, "Msg %d: canary\n", n); err != nil {
			return
		}
	}
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func waitForLog(t *testing.T, log *harness.LogBuffer, text string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > harness.Timeout {
			t.Fatalf("the log never held %q: %s", text, log)
		}
	}
}
