package e2e_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Without this a topic in which nothing new comes would be shown as unreachable
// for ever after one failed fetch: only a record, or a look at the topic, tells
// that Kafka is back. Kafka before 2.8 gives a topic no id to look at.
func TestKafkaIsBackWithoutARecord(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]string{"with ids of topics": "", "without": "2.1.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, k := broker(t, 1), newKeys(t)
			cfg := settings(t, c.ListenAddrs(), k.sidecar)
			cfg.Version = version
			p := consume(t, cfg)
			p.wait("it reads", func() bool { return !p.kafkaMissing("connecting") })
			var broken atomic.Bool
			broken.Store(true)
			c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if broken.Load() {
					return nil, errors.New("the connection breaks"), true
				}
				return nil, nil, false
			})
			p.wait("Kafka is away", func() bool { return p.kafkaMissing("unreachable") })
			broken.Store(false)
			p.wait("Kafka is back", func() bool { return !p.kafkaMissing("unreachable") })
		})
	}
}
