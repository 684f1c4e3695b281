// Package query asks Kafka's brokers for offsets and records on connections of its own, separate from the consumer
// group's: there, each request would wait behind a long poll. One request asks a broker about many partitions.
//
//	client, err := query.NewClient(brokers, topic, conf)
//	leaders, lost, err := query.ByLeader(client, ranges, func(r *query.Range) int32 { return r.Partition })
//	for leader, ranges := range leaders {
//		err := client.Fetch(leader, ranges, 1<<20, handle) // until each range is Done
//	}
//
// It commits nothing and never changes the group's position. It does not retry: its callers decide what to do about a
// broker that fails.
package query

import (
	"maps"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Client asks about one topic. It answers GetOffset from a cache that [Client.Prefetch] fills.
type Client struct {
	sarama.Client
	topic         string
	readCommitted bool // skip the records of open and aborted transactions

	mu         sync.Mutex
	prefetched map[offsetKey]int64 // each is used once
}

// offsetKey is an offset that a partition can be asked for.
type offsetKey struct {
	partition int32
	which     int64 // sarama.OffsetOldest or sarama.OffsetNewest
}

// responseTimeout is how long a broker may take for a response. No request here waits for records, and a broker that
// hangs must not delay what the others answer.
const responseTimeout = 10 * time.Second

// NewClient connects to the brokers. It follows the isolation level in conf.
func NewClient(brokers []string, topic string, conf *sarama.Config) (*Client, error) {
	own := *conf
	own.Net.ReadTimeout = responseTimeout
	client, err := sarama.NewClient(brokers, &own)
	if err != nil {
		return nil, err
	}
	return &Client{Client: client, topic: topic, readCommitted: conf.Consumer.IsolationLevel == sarama.ReadCommitted}, nil
}

// Close closes the connections in the background: it does not wait for pending responses.
func (c *Client) Close() error {
	go c.Client.Close() //nolint:errcheck // only read from
	return nil
}

// ByLeader groups items by the broker that leads their partition. lost holds the items whose partition has no leader;
// err is the reason.
func ByLeader[T any](c *Client, items []T, partition func(T) int32) (byLeader map[*sarama.Broker][]T, lost []T, err error) {
	byLeader = make(map[*sarama.Broker][]T)
	for _, item := range items {
		leader, noLeader := c.Leader(c.topic, partition(item))
		if noLeader != nil {
			lost, err = append(lost, item), noLeader
			continue
		}
		byLeader[leader] = append(byLeader[leader], item)
	}
	return byLeader, lost, err
}

// Offsets asks a broker for the oldest or newest offset of partitions: sarama.OffsetOldest or sarama.OffsetNewest. The
// result lacks partitions for which the broker reports an error.
func (c *Client) Offsets(leader *sarama.Broker, partitions []int32, which int64) (map[int32]int64, error) {
	request := sarama.NewOffsetRequest(c.Config().Version)
	for _, p := range partitions {
		request.AddBlock(c.topic, p, which, 1)
	}
	response, err := leader.GetAvailableOffsets(request)
	if err != nil {
		_ = leader.Close() //nolint:errcheck // so that the next request connects again
		return nil, err
	}
	offsets := make(map[int32]int64, len(partitions))
	for _, p := range partitions {
		if block := response.GetBlock(c.topic, p); block != nil && block.Err == sarama.ErrNoError && len(block.Offsets) == 1 {
			offsets[p] = block.Offsets[0]
		}
	}
	return offsets, nil
}

// prefetchTimeout bounds Prefetch: a broker that hangs must not delay the partitions of the others.
const prefetchTimeout = time.Second

// Prefetch asks for the offsets that each claim of a session needs when it starts. Otherwise a thousand claims would
// ask one after the other.
func (c *Client) Prefetch(partitions []int32) {
	prefetched, done := make(map[offsetKey]int64, 2*len(partitions)), make(chan struct{})
	c.mu.Lock()
	c.prefetched = prefetched
	c.mu.Unlock()
	go func() {
		defer close(done)
		byLeader, _, _ := ByLeader(c, partitions, func(p int32) int32 { return p }) //nolint:errcheck // then the claim asks
		var requests sync.WaitGroup
		for leader, partitions := range byLeader {
			for _, which := range []int64{sarama.OffsetOldest, sarama.OffsetNewest} {
				requests.Go(func() {
					offsets, _ := c.Offsets(leader, partitions, which) //nolint:errcheck // as above
					c.mu.Lock()
					defer c.mu.Unlock()
					for partition, offset := range offsets {
						prefetched[offsetKey{partition, which}] = offset
					}
				})
			}
		}
		requests.Wait()
	}()
	select {
	case <-done:
	case <-time.After(prefetchTimeout):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.prefetched = maps.Clone(prefetched) // later responses are too old when a claim needs them
	}
}

// GetOffset returns an offset that was prefetched, once. Otherwise it asks the broker.
func (c *Client) GetOffset(topic string, partition int32, which int64) (int64, error) {
	c.mu.Lock()
	offset, known := c.prefetched[offsetKey{partition, which}]
	delete(c.prefetched, offsetKey{partition, which})
	c.mu.Unlock()
	if known && topic == c.topic {
		return offset, nil
	}
	return c.Client.GetOffset(topic, partition, which)
}
