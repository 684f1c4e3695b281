package containers_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/lab/measure"
)

// Without this the scoreboard would hold for the embedded broker only, whose transactions, deletions and recreated topics
// may differ from Kafka's.
func TestAttacksOnKafka(t *testing.T) {
	t.Parallel()
	c := realkafka.Start(t, 1)
	admin := harness.Admin(t, c)
	board, err := measure.Attacks(t.Context(), c.ListenAddrs(), func(name string) error {
		return admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false)
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	file := harness.Path(t, "docs/attacks.md")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := board.Update(want); err != nil || string(got) != string(want) {
		t.Errorf("Kafka and docs/attacks.md differ (%v); observed on Kafka:\n%s", err, board)
	}
}
