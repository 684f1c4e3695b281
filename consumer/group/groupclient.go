package group

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
	"kafka-e2ee/kafkaconf"
)

// groupClient is the client of the consumer group. It keeps a partition that cannot be read from stopping the others:
// with a plain client sarama neither starts nor keeps a session while a partition has no leader, and it ends the whole
// session if it cannot start to read one of the partitions.
type groupClient struct {
	sarama.Client
	query     *query.Client
	onFailure func(partition int32, err error)
	session   atomic.Pointer[context.Context] // of the current session
}

// RefreshMetadata succeeds if the partitions are known, with or without a leader. [groupClient.GetOffset] waits for
// each partition's leader.
func (c *groupClient) RefreshMetadata(topics ...string) error {
	err := c.Client.RefreshMetadata(topics...)
	if !errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return err
	}
	for _, topic := range topics {
		if partitions, unknown := c.Partitions(topic); unknown != nil || len(partitions) == 0 {
			return err
		}
	}
	return nil
}

// PartitionNotReadable returns false: GetOffset waits for a leader, and reports it.
func (c *groupClient) PartitionNotReadable(string, int32) bool { return false }

// maxPartitionRetryDelay is the longest delay before a partition is tried again.
const maxPartitionRetryDelay = 5 * time.Second

// GetOffset is the first request of a claim to the partition's leader. It retries until it succeeds or the session
// ends. It fails only for a reason that concerns the whole topic.
func (c *groupClient) GetOffset(topic string, partition int32, which int64) (int64, error) {
	ctx := *c.session.Load()
	for try := 0; ; try++ {
		offset, err := c.getOffset(ctx, topic, partition, which)
		if err == nil || ctx.Err() != nil {
			return offset, err
		}
		c.onFailure(partition, err)
		switch {
		case errors.Is(err, sarama.ErrClosedClient), errors.Is(err, sarama.ErrTopicAuthorizationFailed):
			return offset, err
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
			// A broker that has just become the leader may return this, too.
			if gone := c.RefreshMetadata(topic); errors.Is(gone, sarama.ErrUnknownTopicOrPartition) {
				return offset, err
			}
		}
		select {
		case <-ctx.Done():
			return offset, err
		case <-time.After(kafkaconf.Backoff(try, maxPartitionRetryDelay)):
		}
	}
}

// getOffset asks on the query client's connections. Once the session has ended, it stops waiting for an unresponsive
// broker, because the whole group would wait with it.
func (c *groupClient) getOffset(ctx context.Context, topic string, partition int32, which int64) (int64, error) {
	type response struct {
		offset int64
		err    error
	}
	responses := make(chan response, 1)
	go func() {
		offset, err := c.query.GetOffset(topic, partition, which)
		responses <- response{offset, err}
	}()
	select {
	case r := <-responses:
		return r.offset, r.err
	case <-ctx.Done():
		return -1, ctx.Err()
	}
}
