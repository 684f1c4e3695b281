package query

import (
	"time"

	"github.com/IBM/sarama"
)

// Range is a range of offsets to fetch from a partition.
type Range struct {
	Partition int32
	Next, End int64 // Next is the first offset that was not read yet; End is exclusive

	Done bool  // there are no more readable records before End
	Err  error // of the partition; it is then not fetched any more

	size   int32 // bytes that the next request asks for
	cutOff int   // responses in a row whose first batch of the partition was cut off
}

// maxCutOff is how many responses in a row may have the first batch of a partition cut off. package fetchlimit does so now
// and then, and not to the next response. If it lasts, the batch is damaged.
const maxCutOff = 16

// firstFetchSize is how many bytes of a partition the first request asks for.
const firstFetchSize = 64 << 10

// Fetch asks a broker once for the next records of the ranges that are not done, and advances these ranges. It calls
// handle for each record, in the order of a partition's offsets. The record is valid only until handle returns. The
// error is the broker's; errors of partitions are in their ranges.
func (c *Client) Fetch(leader *sarama.Broker, ranges []*Range, maxBytes int32, handle func(*sarama.ConsumerMessage)) error {
	request := c.fetchRequest(maxBytes)
	requested := ranges[:0:0]
	for _, r := range ranges {
		if r.Done || r.Err != nil {
			continue
		}
		r.size = max(r.size, firstFetchSize)
		request.AddBlock(c.topic, r.Partition, r.Next, min(r.size, maxBytes), -1)
		requested = append(requested, r)
	}
	if len(requested) == 0 {
		return nil
	}
	response, err := leader.Fetch(request)
	if err != nil {
		_ = leader.Close() //nolint:errcheck // so that the next request connects again
		return err
	}
	if len(response.Blocks) == 0 && response.ThrottleTime > 0 {
		time.Sleep(min(response.ThrottleTime, time.Second))
		return nil
	}
	empty := true
	for _, r := range requested {
		block := response.GetBlock(c.topic, r.Partition)
		switch {
		case block == nil:
			r.Err = sarama.ErrIncompleteResponse
		case block.Err != sarama.ErrNoError:
			r.Err = block.Err
		case len(block.RecordsSet) > 0 || block.Partial:
			empty = false
			r.read(block, c.readCommitted, func(m *sarama.ConsumerMessage) {
				m.Topic = c.topic
				handle(m)
			})
		default:
			r.Done = r.Next >= c.readableEnd(block)
		}
	}
	for _, r := range requested {
		if empty { // so the response had room for all: there are only empty batches
			r.Done = true
		}
		r.size = min(2*r.size, maxBytes)
	}
	return nil
}

// readableEnd returns the offset behind the last record that can be read now.
func (c *Client) readableEnd(block *sarama.FetchResponseBlock) int64 {
	if c.readCommitted && block.LastStableOffset >= 0 {
		return block.LastStableOffset
	}
	return block.HighWaterMarkOffset
}

// fetchRequest makes a request that does not wait for records, in the version that sarama's own consumer uses.
func (c *Client) fetchRequest(maxBytes int32) *sarama.FetchRequest {
	conf := c.Config()
	r := &sarama.FetchRequest{MaxWaitTime: 1, MinBytes: 1, MaxBytes: maxBytes, Isolation: conf.Consumer.IsolationLevel, SessionEpoch: -1, RackID: conf.RackID}
	for _, v := range []struct {
		fetch int16
		since sarama.KafkaVersion
	}{{12, sarama.V2_7_0_0}, {11, sarama.V2_3_0_0}, {10, sarama.V2_1_0_0}, {8, sarama.V2_0_0_0}, {7, sarama.V1_1_0_0}, {6, sarama.V1_0_0_0}} {
		if conf.Version.IsAtLeast(v.since) {
			r.Version = v.fetch
			break
		}
	}
	return r
}
