package story_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
)

// Without this an idle topic would be shown as unreachable forever after one failed fetch: only a record or a metadata
// request shows that Kafka is back. Before version 2.8 Kafka gives topics no id to ask for.
func TestKafkaReturnsWithoutARecord(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]string{"with ids of topics": "", "without": "2.1.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, k := harness.Broker(t, 1), harness.NewKeys(t)
			cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
			cfg.Version = version
			p := harness.Consume(t, cfg)
			p.Wait("the consumer reads", func() bool { return !p.Misses("kafka", "connecting") })
			var broken atomic.Bool
			broken.Store(true)
			c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if broken.Load() {
					return nil, errors.New("the connection breaks"), true
				}
				return nil, nil, false
			})
			p.Wait("Kafka is unreachable", func() bool { return p.Misses("kafka", "unreachable") })
			broken.Store(false)
			p.Wait("Kafka is back", func() bool { return !p.Misses("kafka", "unreachable") })
		})
	}
}
