package story_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
)

// mirrorTopic is what MirrorMaker calls the copy of the topic in another cluster.
const mirrorTopic = "us." + harness.Topic

// mirror is a cluster with a copy of the topic.
func mirror(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, mirrorTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// copyTo copies all records of the topic, as MirrorMaker does, each to the partition that to returns.
func copyTo(t *testing.T, from, to harness.Cluster, partition func(int32) int32) {
	t.Helper()
	var messages []*sarama.ProducerMessage
	for original, values := range harness.Stored(t, from) {
		for _, value := range values {
			messages = append(messages, &sarama.ProducerMessage{Topic: mirrorTopic, Partition: partition(original), Value: sarama.ByteEncoder(value)})
		}
	}
	harness.Send(t, to, messages)
}

// Without this nothing in a mirrored topic would open, or honest copies, a day late and some of them made twice, would be
// rejected or flagged as an attack.
func TestMirroredTopicOpens(t *testing.T) {
	t.Parallel()
	for name, partition := range map[string]func(int32) int32{
		"partitions kept":    func(p int32) int32 { return p },
		"partitions changed": func(p int32) int32 { return (p + 1) % 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			origin, target, k := harness.Broker(t, 2), mirror(t, 2), harness.NewKeys(t)
			seal := sealerAgo(t, k, 24*time.Hour)
			for i := range 10 {
				harness.Write(t, origin, int32(i%2), seal(fmt.Sprint("message ", i), int32(i%2)))
			}
			cfg := requireFresh(t, target, k, k.Sidecar)
			cfg.Topic, cfg.MirrorOf = mirrorTopic, harness.Topic
			p := harness.Consume(t, cfg)
			p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
			harness.Send(t, target, []*sarama.ProducerMessage{{Topic: mirrorTopic}, {Topic: mirrorTopic, Partition: 1}})
			p.WaitStates(map[string]int{"tombstone": 2}) // from now on it knows when records are appended
			copyTo(t, origin, target, partition)
			p.WaitStates(map[string]int{"tombstone": 2, "decrypted": 10})
			copyTo(t, origin, target, partition)
			records := p.WaitStates(map[string]int{"tombstone": 2, "decrypted": 20})
			for i, r := range records[2:] {
				if repeat := slices.Contains(r.Flags, "repeat"); len(r.Flags) > 0 && !repeat || repeat != (i >= 10) || r.Sender.State != "verified" {
					t.Errorf("got %+v", r)
				}
			}
			if page := string(p.Get(p.Page)); !strings.Contains(page, "mirrored from "+harness.Topic) {
				t.Error("the page does not say from which topic the records come")
			}
		})
	}
}

// Without this a record could be copied from any topic into another, and open there.
func TestCopiedTopicDoesNotOpen(t *testing.T) {
	t.Parallel()
	origin, target, k := harness.Broker(t, 1), mirror(t, 1), harness.NewKeys(t)
	harness.Write(t, origin, 0, sealerAgo(t, k, 0)(rejectedText, 0))
	copyTo(t, origin, target, func(p int32) int32 { return p })
	cfg := requireFresh(t, target, k, k.Sidecar)
	cfg.Topic = mirrorTopic
	p := harness.Consume(t, cfg)
	p.WaitStates(map[string]int{"undecryptable": 1})
	showsNowhere(t, p, p.Records())
}
