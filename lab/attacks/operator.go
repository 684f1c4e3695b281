package attacks

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// operator is a client with every right at the broker, and no key.
type operator struct{ target Target }

// stored is a record as Kafka stores it.
type stored struct {
	Position
	key, value []byte
	headers    []kgo.RecordHeader
}

// fetchBytes bounds the memory for records that are read, in bytes.
const fetchBytes = 8 << 20

func (o *operator) client(options ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(o.target.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxBytes(fetchBytes), kgo.BrokerMaxReadBytes(2 * fetchBytes),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return client, nil
}

// next returns the next record that the producer writes.
func (o *operator) next(ctx context.Context) (stored, error) {
	client, err := o.client(kgo.ConsumeTopics(o.target.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return stored{}, err
	}
	defer client.Close()
	records, err := poll(ctx, client)
	if err != nil {
		return stored{}, err
	}
	return records[0], nil
}

// poll waits for records, also those of open transactions.
func poll(ctx context.Context, client *kgo.Client) ([]stored, error) {
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for a record of the producer: %w (hint: is it running?)", ctx.Err())
		}
		var list []stored
		fetches.EachRecord(func(r *kgo.Record) {
			list = append(list, stored{Position{r.Partition, r.Offset}, r.Key, r.Value, r.Headers})
		})
		if len(list) > 0 {
			return list, nil
		}
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading the topic: %w", err)
		}
	}
}

// write writes records to the ends of their partitions, in their order. It returns where they are.
func (o *operator) write(ctx context.Context, topic string, records ...stored) ([]Position, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.key, Value: r.value, Headers: r.headers}
	}
	var errs []error
	for _, result := range client.ProduceSync(ctx, out...) {
		errs = append(errs, result.Err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("writing records: %w", err)
	}
	written := make([]Position, len(out))
	for i, r := range out {
		written[i] = Position{r.Partition, r.Offset}
	}
	return written, nil
}
