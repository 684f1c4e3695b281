package attacks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/envelope"
)

// operator is a client with every right at the broker, and no key.
type operator struct {
	target   Target
	page     *page // what the pod says
	readings []Reading
	withheld []Withheld
}

// stored is a record as Kafka stores it.
type stored struct {
	Position
	key, value []byte
	headers    []kgo.RecordHeader
	at         time.Time
}

// encrypted reports whether a record is one of the formats.
func (r stored) encrypted() bool { return r.format() != "" }

func (r stored) format() envelope.Format {
	d, err := envelope.Describe(r.value)
	if err != nil {
		return ""
	}
	return d.Format
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
	for {
		records, err := poll(ctx, client)
		if err != nil {
			return stored{}, err
		}
		if i := slices.IndexFunc(records, stored.encrypted); i >= 0 {
			return records[i], nil
		}
	}
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
			list = append(list, stored{Position{r.Partition, r.Offset}, r.Key, r.Value, r.Headers, r.Timestamp})
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
func (o *operator) write(ctx context.Context, records ...stored) ([]Position, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return write(ctx, client, o.target.Topic, records)
}

func write(ctx context.Context, client *kgo.Client, topic string, records []stored) ([]Position, error) {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.key, Value: r.value, Headers: r.headers, Timestamp: r.at}
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

// read returns the record at a position.
func (o *operator) read(ctx context.Context, at Position) (stored, error) {
	client, err := o.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.target.Topic: {at.Partition: kgo.NewOffset().At(at.Offset)}}))
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

// deleteBefore deletes all records of a partition before an offset.
func (o *operator) deleteBefore(ctx context.Context, partition int32, offset int64) error {
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, offset
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic, t.Partitions = o.target.Topic, append(t.Partitions, p)
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.Topics, r.TimeoutMillis = append(r.Topics, t), requestMillis
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.DeleteRecordsResponse, error) {
		return r.RequestWith(ctx, c)
	})
	if err == nil {
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	return nil
}
