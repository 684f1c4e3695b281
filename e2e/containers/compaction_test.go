package containers_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

// Without this the records that Kafka keeps in a compacted topic could not be read: compaction deletes records one by one,
// and the headers in them.
func TestEveryKeyOfACompactedTopicIsReadable(t *testing.T) {
	t.Parallel()
	c := realkafka.Start(t, 0, map[string]string{"KAFKA_LOG_CLEANER_BACKOFF_MS": "200"})
	compact, soon, little, none := "compact", "100", "0.01", "0"
	if err := harness.Admin(t, c).CreateTopic(harness.Topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{
		"cleanup.policy": &compact, "segment.ms": &soon, "min.cleanable.dirty.ratio": &little, "min.compaction.lag.ms": &none,
	}}, false); err != nil {
		t.Fatal(err)
	}
	key := harness.NewKey(t)
	cfg := producer.Config{
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: harness.Topic, Format: envelope.FormatEnvelope,
		PublicKey: harness.PublicPEM(t, &key.PublicKey), KeySeparator: "=", Headers: harness.ProgramHeaders,
	}
	sent := 0
	produce := func(lines string) {
		t.Helper()
		if _, err := producer.Run(t.Context(), cfg, producer.Build{}, strings.NewReader(lines), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		sent += strings.Count(lines, "\n")
	}
	var lines strings.Builder
	for n := range 10_000 { // more than are in flight, so that most are sealed when headers are already stored
		fmt.Fprintf(&lines, "%d=value %d\n", n*n%307, n)
	}
	produce(lines.String())
	var values [][]byte
	harness.Eventually(t, "the topic is compacted", func() bool {
		produce("tick=one more, so that Kafka closes the segment before\n")
		values = harness.Stored(t, c)[0]
		return len(values) < 300 // of 154 keys
	})
	t.Logf("%d of %d records are left", len(values), sent)
	for i, value := range values {
		opener := envelope.NewOpener(envelope.OpenerConfig{}) // it has read nothing else
		if err := opener.SetKeys(key); err != nil {
			t.Fatal(err)
		}
		if _, err := opener.Open(nil, harness.Topic, value); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}
