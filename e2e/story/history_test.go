package story_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/health"
)

// Without this a pod that starts after a topic was recreated would read it from the old topic's offset, and miss
// records.
func TestCommitOfADeletedTopic(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	first, _ := harness.StartConsumer(t, c, k.Sidecar)
	for i := range 10 {
		harness.Write(t, c, 0, fmt.Appendf(nil, "old %d", i))
	}
	first.WaitStates(map[string]int{"plain": 10})
	first.Stop()
	answer, err := harness.Admin(t, c).ListConsumerGroupOffsets("group", map[string][]int32{harness.Topic: {0}})
	if err != nil {
		t.Fatal(err)
	}
	before := answer.GetBlock(harness.Topic, 0)
	if !strings.HasPrefix(before.Metadata, "topic-id=") {
		t.Errorf("a commit does not name its topic: %q", before.Metadata)
	}
	harness.DeleteTopic(t, c)
	harness.CreateTopic(t, c, 1)
	var want []string
	for i := range 20 { // more than in the old topic
		want = append(want, fmt.Sprint("new ", i))
		harness.Write(t, c, 0, []byte(want[i]))
	}
	// Kafka forgets the offsets of a deleted topic, unless a member commits once more.
	harness.Commit(t, c, before.Metadata, map[int32]int64{0: before.Offset})
	second, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=5")
	second.Wait("all of the new topic is read", func() bool { return second.RecordsRead() >= 20 })
	second.Wait("the newest records are shown", func() bool { return slices.Equal(harness.Values(second.Records()), want[15:]) })
	second.Stop()

	// A commit by another program names no topic id, and is used as it is.
	harness.Commit(t, c, "another program's note", map[int32]int64{0: 15})
	third, _ := harness.StartConsumer(t, c, k.Sidecar)
	third.Wait("the consumer continues, with the history before it", func() bool { return slices.Equal(harness.Values(third.Records()), want) })
	if strings.Contains(third.Log.String(), "recreated") {
		t.Errorf("a commit without a topic id is ignored:\n%s", third.Log)
	}
}

// Without this the page would stay empty if the last offsets hold no record any more.
func TestHistoryOfACompactedTopic(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	k := harness.NewKeys(t)
	compact, now := "compact", "0"
	if err := harness.Admin(t, c).CreateTopic(harness.Topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"cleanup.policy": &compact, "delete.retention.ms": &now}}, false); err != nil {
		t.Fatal(err)
	}
	var want []string
	keyed := func(key, value string) {
		harness.Send(t, c, []*sarama.ProducerMessage{{Topic: harness.Topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(value)}})
	}
	for i := range 20 {
		want = append(want, fmt.Sprint("kept ", i))
		keyed(fmt.Sprint(i), want[i])
	}
	const deleted = 400
	var messages []*sarama.ProducerMessage
	for range deleted {
		messages = append(messages, &sarama.ProducerMessage{Topic: harness.Topic, Key: sarama.StringEncoder("deleted")})
	}
	harness.Send(t, c, messages)
	time.Sleep(10 * time.Millisecond) // delete.retention.ms
	keyed("new", "new")               // what was written last is never compacted
	want = append(want, "new")
	c.Compact()
	harness.Commit(t, c, "", map[int32]int64{0: 20 + deleted})
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=30")
	p.Wait("the remaining records are shown", func() bool { return slices.Equal(harness.Values(p.Records()), want) })
	p.Wait("the history is loaded and the lag is 0", func() bool {
		return p.Lag() == 0 && !p.Misses("history", "")
	})
}

// Without this a broker that does not return old records would hold up the new ones, or nobody would know that some are
// missing.
func TestHistoryThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 2), harness.NewKeys(t)
	harness.Write(t, c, 0, []byte("old"))
	harness.Commit(t, c, "", map[int32]int64{0: 1, 1: 0})
	var broken atomic.Bool
	broken.Store(true)
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		// The group's requests wait for records; those for the history do not.
		if fetch, ok := request.(*kmsg.FetchRequest); ok && broken.Load() && fetch.MaxWaitMillis <= 1 {
			return nil, errors.New("the connection breaks"), true
		}
		return nil, nil, false
	})
	p, _ := harness.StartConsumer(t, c, k.Sidecar)
	harness.Write(t, c, 1, []byte("new"))
	p.Wait("the new record is shown", func() bool { return slices.Equal(harness.Values(p.Records()), []string{"new"}) })
	p.Wait("readyz says what is missing", func() bool {
		return slices.ContainsFunc(p.Missing(), func(m health.Missing) bool {
			return m.Part == "history" && m.State == "loading" && m.Detail == "1 of 2 partitions are loaded"
		})
	})
	p.Wait("the page reports the missing history", func() bool {
		return strings.Contains(string(p.Get(p.Page)), "loading history, 1 of 2; the brokers of 1 do not answer")
	})
	if !strings.Contains(p.Log.String(), "history not loaded yet") {
		t.Errorf("the log does not mention it:\n%s", p.Log)
	}
	broken.Store(false)
	p.Wait("the old record is shown, below the new one", func() bool { return slices.Equal(harness.Values(p.Records()), []string{"old", "new"}) })
	p.Wait("nothing is missing", func() bool { return !p.Misses("history", "") })
}
