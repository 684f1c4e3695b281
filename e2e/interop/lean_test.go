package interop_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// README example begins.

func openLean(opener *envelope.Opener, r *kgo.Record, read func(from, to int64) iter.Seq2[[]byte, error]) (envelope.Message, error) {
	msg, err := opener.Open(nil, r.Topic, r.Value)
	if needs, lean := errors.AsType[*envelope.NeedsHeaderError](err); lean {
		search := envelope.HeaderSearch{Topic: r.Topic, Names: []envelope.HeaderName{needs.Name}, Offset: r.Offset, Read: read}
		if err := opener.FindHeaders(search); err != nil {
			return msg, err // envelope.ErrHeaderLost, for example
		}
		msg, err = opener.Open(nil, r.Topic, r.Value)
	}
	return msg, err
}

func readWithFranz(ctx context.Context, broker, topic string, partition int32) func(from, to int64) iter.Seq2[[]byte, error] {
	return func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}
			client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumePartitions(start))
			if err != nil {
				yield(nil, err)
				return
			}
			defer client.Close()
			for { // until the lean record, which is at to or behind it
				fetches := client.PollFetches(ctx)
				if err := fetches.Err(); err != nil {
					yield(nil, err)
					return
				}
				for it := fetches.RecordIter(); !it.Done(); {
					if r := it.Next(); r.Offset >= to || !yield(r.Value, nil) {
						return
					}
				}
			}
		}
	}
}

func readWithSarama(client sarama.Client, consumer sarama.Consumer, topic string, partition int32) func(from, to int64) iter.Seq2[[]byte, error] {
	return func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			oldest, err := client.GetOffset(topic, partition, sarama.OffsetOldest) // sarama refuses to read before it
			if err != nil {
				yield(nil, err)
				return
			}
			if from = max(from, oldest); from >= to {
				return
			}
			records, err := consumer.ConsumePartition(topic, partition, from)
			if err != nil {
				yield(nil, err)
				return
			}
			defer records.Close()
			for r := range records.Messages() {
				if r.Offset >= to || !yield(r.Value, nil) {
					return
				}
			}
			yield(nil, errors.New("the records before were deleted"))
		}
	}
}

// README example ends.

// Without this, retention could delete a header and with it more records than the
// specification says, or a consumer that starts behind a header could lose records that
// are still there. Records are deleted up to every offset around the headers.
func TestLeanRecordsAfterRetention(t *testing.T) {
	page, err := os.ReadFile("../../envelope/README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("lean_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(source), "// README example begins.\n\n")
	if example, _, _ = strings.Cut(example, "\n// README example ends."); !strings.Contains(string(page), example) {
		t.Error("envelope/README.md has another example")
	}
	t.Run("embedded", func(t *testing.T) { leanAfterRetention(t, harness.Broker(t, 1)) })
	t.Run("Kafka", func(t *testing.T) { leanAfterRetention(t, realkafka.Start(t, 1)) })
}

func leanAfterRetention(t *testing.T, cluster harness.Cluster) {
	t.Helper()
	const every, writers, n = 4, 2, 20
	key, broker, ctx := harness.NewKey(t), cluster.ListenAddrs()[0], context.Background()
	var err error
	sealers := make([]*envelope.Sealer, writers)
	for i := range sealers {
		sealers[i], err = envelope.NewSealer(envelope.SealerConfig{
			Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&key.PublicKey},
			Headers: envelope.HeaderPolicy{Records: every, Interval: 60e9},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	values := make([][]byte, n)
	for i := range values {
		if values[i], err = sealers[i/3%writers].Seal(nil, fmt.Appendf(nil, "%02000d", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	harness.Write(t, cluster, 0, values...)
	cfg := sarama.NewConfig()
	cfg.Consumer.MaxWaitTime = 10 * time.Millisecond // closing a partition waits so long
	client, err := sarama.NewClient([]string{broker}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()

	for first := range int64(12) { // the headers are at 0, 3, 7 and 13, among others
		if first > 0 {
			if err := admin.DeleteRecords(harness.Topic, map[int32]int64{0: first}); err != nil {
				t.Fatal(err)
			}
		}
		for name, read := range map[string]func(from, to int64) iter.Seq2[[]byte, error]{
			"franz-go": readWithFranz(ctx, broker, harness.Topic, 0), "sarama": readWithSarama(client, consumer, harness.Topic, 0),
		} {
			for _, start := range []int64{first, first + every} { // a consumer starts here
				opener, lost := openerWith(t, key), make(map[string]int)
				for offset := start; offset < n; offset++ {
					r := &kgo.Record{Topic: harness.Topic, Offset: offset, Value: values[offset]}
					msg, err := openLean(opener, r, read)
					held := headerAt(t, values, offset) >= first
					if errors.Is(err, envelope.ErrHeaderLost) && !held {
						d, err := envelope.Describe(values[offset])
						if lost[d.HeaderName]++; err != nil || lost[d.HeaderName] >= every {
							t.Errorf("%s: %d records of one data key are lost, want less than %d", name, lost[d.HeaderName], every)
						}
						continue
					}
					if err != nil || string(msg.Plaintext) != fmt.Sprintf("%02000d", offset) {
						t.Fatalf("%s: deleted up to %d, started at %d: offset %d: %v (its header is there: %t)", name, first, start, offset, err, held)
					}
				}
			}
		}
	}
}

// headerAt returns the offset of the last full record up to an offset that has its header.
func headerAt(t *testing.T, values [][]byte, offset int64) int64 {
	t.Helper()
	for i := offset; i >= 0; i-- {
		d, err := envelope.Describe(values[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := envelope.AddHeader(values[offset], values[i]); err == nil && !d.Lean {
			return i
		}
	}
	t.Fatalf("offset %d has no header", offset)
	return 0
}
