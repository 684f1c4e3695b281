package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// compaction knows whether Kafka compacts the topic: then it keeps the last record of each key, and deletes the ones before,
// with the headers in them. So every record that may outlive others must contain its header. Somebody may change the topic,
// so Kafka is asked again with each data key.
type compaction struct {
	lean    bool // without lean records nobody needs to know
	explain func(error) kafkaconf.Cause
	state   atomic.Int32
	due     chan struct{} // holds one
	dataKey time.Time     // expiry of the latest one
}

// The states of a topic. As long as nothing is known, it may be compacted.
const (
	maybeCompacted = iota
	notCompacted
	compacted
)

func newCompaction(cfg Config) *compaction {
	return &compaction{lean: cfg.Format == envelope.FormatEnvelope && cfg.lean(), explain: cfg.Explain, due: make(chan struct{}, 1)}
}

// mustBeFull reports whether a record must contain its header. A compacted topic takes no record without a key.
func (c *compaction) mustBeFull(hasKey bool) bool {
	state := c.state.Load()
	return state == compacted || state == maybeCompacted && hasKey
}

// sealed is called for each record, in order, with the expiry of its data key. The first record of a data key is full in any
// case.
func (c *compaction) sealed(expires time.Time) {
	if !c.lean || expires.Equal(c.dataKey) {
		return
	}
	c.dataKey = expires
	c.state.Store(maybeCompacted)
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// follow asks whether the topic is compacted, once for each data key, until ctx ends.
func (c *compaction) follow(ctx context.Context, query func() (bool, error), log *slog.Logger) {
	logged := int32(notCompacted)
	for {
		select {
		case <-c.due:
		case <-ctx.Done():
			return
		}
		is, err := query()
		state := int32(notCompacted)
		switch {
		case err != nil:
			state = maybeCompacted
		case is:
			state = compacted
		}
		if ctx.Err() != nil {
			return
		}
		c.state.Store(state)
		if state == logged {
			continue
		}
		logged = state
		switch {
		case state == compacted:
			log.InfoContext(ctx, "the topic is compacted: every record contains its header")
		case err != nil:
			cause := c.explain(err).What
			if errors.Is(err, errUnanswered) {
				cause = err.Error()
			}
			log.InfoContext(ctx, "Kafka does not say whether the topic is compacted: records with a key contain their header", slog.String("cause", cause))
		}
	}
}

// queryCompacted asks Kafka whether it compacts the topic, until drainCtx ends.
func queryCompacted(drainCtx context.Context, cfg Config) (bool, error) {
	return await(drainCtx, func() (is bool, err error) {
		client, err := newProbe(cfg, false)
		if err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, client.Close()) }()
		if err := client.RefreshMetadata(cfg.Topic); err != nil {
			return false, err
		}
		policy, err := topicConfig(client, cfg.Topic, "cleanup.policy")
		return strings.Contains(policy, "compact"), err
	})
}

var errUnanswered = errors.New("the broker's answer does not name")

// topicConfig asks for one setting of the topic.
func topicConfig(client sarama.Client, topic, name string) (string, error) {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return "", err
	}
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name},
	}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return "", err
	}
	for _, result := range results {
		if result.ErrorCode != sarama.ErrNoError {
			return "", result.ErrorCode
		}
		for _, entry := range result.Configs {
			if entry.Name == name {
				return entry.Value, nil
			}
		}
	}
	return "", fmt.Errorf("%w %s", errUnanswered, name)
}
