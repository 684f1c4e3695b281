package story_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
)

// twoBrokers starts two embedded brokers; the second one leads the odd partitions.
func twoBrokers(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(partitions, harness.Topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for p := range partitions {
		if err := c.MoveTopicPartition(harness.Topic, p, p%2); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// controlled lets the test handle all requests of a kind.
func controlled(c *kfake.Cluster, kind kmsg.Key, handle func(kmsg.Request) (kmsg.Response, error, bool)) {
	c.ControlKey(kind.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return handle(r)
	})
}

// Without this one unreachable broker would hide the records of all others and make the consumer rejoin its group
// without a pause, and nobody would know which partitions are not read.
func TestOneLeaderOutOfReach(t *testing.T) {
	t.Parallel()
	c, k := twoBrokers(t, 4), harness.NewKeys(t)
	var cut atomic.Bool
	var joins atomic.Int64
	cut.Store(true)
	for _, kind := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets} {
		controlled(c, kind, func(kmsg.Request) (kmsg.Response, error, bool) {
			if cut.Load() && c.CurrentNode() == 1 {
				return nil, errors.New("the connection breaks"), true
			}
			return nil, nil, false
		})
	}
	controlled(c, kmsg.JoinGroup, func(kmsg.Request) (kmsg.Response, error, bool) {
		joins.Add(1)
		return nil, nil, false
	})
	harness.Write(t, c, 0, []byte("a"), []byte("b"))
	harness.Write(t, c, 2, []byte("c"))
	harness.Write(t, c, 1, []byte("out of reach"))

	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), k.Sidecar))
	p.WaitStates(map[string]int{"plain": 3})
	steady := func() {
		t.Helper()
		p.Wait("/readyz names the partitions that cannot be read", func() bool { return strings.HasPrefix(p.KafkaProblem(), "unreadable: partitions 1, 3: ") })
		p.Wait("the page names the partitions", func() bool { return strings.Contains(string(p.Get(p.Page)), "Partitions 1, 3 cannot be read since") })
		for i := range 100 {
			if says := p.KafkaProblem(); !strings.HasPrefix(says, "unreadable: partitions 1, 3: ") {
				t.Fatalf("check %d: %s", i, says)
			}
			if i%10 == 0 {
				harness.Write(t, c, 0, []byte("more"))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	steady()
	p.WaitStates(map[string]int{"plain": 13})
	if n := joins.Load(); n > 4 {
		t.Errorf("the group was joined %d times", n)
	}
	if log := p.Log.String(); !strings.Contains(log, "partitions cannot be read") || strings.Count(log, "Kafka failed") > 10 {
		t.Errorf("the log does not name it, or repeats it: %s", log)
	}
	cut.Store(false)
	p.WaitStates(map[string]int{"plain": 14})
	p.Wait("Kafka has no problem any more", func() bool { return p.KafkaProblem() == "" })
	cut.Store(true)
	steady() // also if it happens during a session
	cut.Store(false)
	harness.Write(t, c, 3, []byte("the last"))
	p.WaitStates(map[string]int{"plain": 25})
	p.Wait("Kafka has no problem any more", func() bool { return p.KafkaProblem() == "" })
	if n := joins.Load(); n > 4 {
		t.Errorf("the group was joined %d times", n)
	}
}

// Without this the page would say forever that Kafka refuses to serve it, while records arrive.
func TestRefusalEnds(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	var refuses atomic.Bool
	controlled(c, kmsg.Fetch, func(r kmsg.Request) (kmsg.Response, error, bool) {
		request, ok := r.(*kmsg.FetchRequest)
		if !ok || !refuses.Load() {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.FetchResponse) //nolint:errcheck,forcetypeassert // it is that of a Fetch
		for _, asked := range request.Topics {
			about := kmsg.NewFetchResponseTopic()
			about.Topic, about.TopicID = asked.Topic, asked.TopicID
			for _, p := range asked.Partitions {
				no := kmsg.NewFetchResponseTopicPartition()
				no.Partition, no.ErrorCode = p.Partition, kerr.UnsupportedVersion.Code
				about.Partitions = append(about.Partitions, no)
			}
			answer.Topics = append(answer.Topics, about)
		}
		return answer, nil, true
	})
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), k.Sidecar))
	p.Wait("the consumer reads", func() bool { return !p.Misses("kafka", "connecting") })
	refuses.Store(true)
	p.Wait("Kafka refuses", func() bool { return p.Misses("kafka", "refused") })
	if metrics := string(p.Get(p.Metrics + "/metrics")); !strings.Contains(metrics, `e2ee_kafka_state{state="refused"} 1`) || !strings.Contains(metrics, `e2ee_kafka_state{state="reading"} 0`) {
		t.Error("the metrics do not report it")
	}
	refuses.Store(false)
	harness.Write(t, c, 0, []byte("allowed"))
	p.WaitStates(map[string]int{"plain": 1})
	p.Wait("the refusal is over", func() bool { return p.KafkaProblem() == "" })
}

// Without this a partition that gets a leader while another loses its own would not be read until the group rebalances:
// the number of readable partitions stays the same.
func TestLeadersSwap(t *testing.T) {
	t.Parallel()
	c, k := twoBrokers(t, 2), harness.NewKeys(t)
	var without atomic.Int32 // the partition without a leader; -1: there is none
	controlled(c, kmsg.Metadata, func(r kmsg.Request) (kmsg.Response, error, bool) {
		request, ok := r.(*kmsg.MetadataRequest)
		if !ok {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.MetadataResponse) //nolint:errcheck,forcetypeassert // it is that of Metadata
		for node, addr := range c.ListenAddrs() {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Error(err)
			}
			number, err := strconv.Atoi(port)
			if err != nil {
				t.Error(err)
			}
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = int32(node), host, int32(number)
			answer.Brokers = append(answer.Brokers, b)
		}
		about, name := kmsg.NewMetadataResponseTopic(), harness.Topic
		about.Topic = &name
		for id := range int32(2) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = id, id%2, []int32{id % 2}, []int32{id % 2}
			if id == without.Load() {
				p.Leader, p.ErrorCode = -1, kerr.LeaderNotAvailable.Code
			}
			about.Partitions = append(about.Partitions, p)
		}
		answer.Topics = append(answer.Topics, about)
		return answer, nil, true
	})
	without.Store(-1)
	harness.Write(t, c, 0, []byte("a"))
	harness.Write(t, c, 1, []byte("b"))
	without.Store(0)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), k.Sidecar))
	p.WaitStates(map[string]int{"plain": 1})
	p.Wait("/readyz reports a partition without a leader", func() bool {
		return strings.HasPrefix(p.KafkaProblem(), "unreadable: partition 0: a partition has no leader")
	})
	without.Store(1)
	p.WaitStates(map[string]int{"plain": 2})
	without.Store(-1)
	p.Wait("Kafka has no problem any more", func() bool { return p.KafkaProblem() == "" })
}
