package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/reader"
)

// produce seals a message for a partition and sends it there. The client has kgo.ManualPartitioner().
func produce(ctx context.Context, client *kgo.Client, sealer *envelope.Sealer, topic string, partition int32, message []byte) error {
	value, err := sealer.Seal(nil, message, partition)
	if err != nil {
		return err // never send the message itself instead
	}
	return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: value}).FirstErr()
}

// values gives the values of a partition's records between two offsets.
type values func(partition int32, from, to int64) iter.Seq2[[]byte, error]

// newReader rejects a record unless one of the senders signed it, nobody else can read it, and it was not held back.
func newReader(topic string, senders []envelope.TrustedSender, readBack values) (*reader.Reader, error) {
	return reader.New(reader.Config{
		Topic: topic, TrustedSenders: senders, ReadBack: readBack,
		Require: envelope.Requirements{VerifiedSender: true, HeldReaders: true, Fresh: true},
	})
}

// readBack reads what is before the offset where the group goes on: the header of lean records is there.
func readBack(ctx context.Context, brokers []string, topic string) values {
	return func(partition int32, from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}
			client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumePartitions(start))
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
					if rec := it.Next(); rec.Offset >= to || !yield(rec.Value, nil) {
						return
					}
				}
			}
		}
	}
}

// revoked tells the reader which partitions other members of its group may read. It is for kgo.OnPartitionsRevoked and OnPartitionsLost.
func revoked(r *reader.Reader, topic string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		for _, partition := range partitions[topic] {
			r.Revoked(partition)
		}
	}
}

// consume shows the messages of a topic. A record for an unknown key may be the first one after a rotation: then it reads the keys
// again, at most once a minute, because whoever writes a record chooses the keys in it.
func consume(ctx context.Context, client *kgo.Client, r *reader.Reader, readKeys func() ([]*rsa.PrivateKey, error), show func(string)) {
	var read time.Time
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			record := reader.Record{Partition: rec.Partition, Offset: rec.Offset, Value: rec.Value}
			msg, err := r.Open(record)
			if errors.Is(err, envelope.ErrUnknownKey) && time.Since(read) > time.Minute {
				read = time.Now()
				if keys, failed := readKeys(); failed == nil && r.SetKeys(keys...) == nil {
					msg, err = r.Open(record)
				}
			}
			if err != nil { // a bad record is an event, not a reason to stop
				show(fmt.Sprintf("%d/%d: refused: %v", rec.Partition, rec.Offset, err))
				return
			}
			show(fmt.Sprintf("%d/%d: %s (from %s; flags: %s)", rec.Partition, rec.Offset, msg.Plaintext, msg.Sender.Name, msg.Flags))
		})
	}
}
