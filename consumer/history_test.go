package consumer

import (
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/web"
)

// Without this the history of a topic with large records would not fit the pod's memory.
func TestTailIsBounded(t *testing.T) {
	var byCount, bySize tail
	for i := range 100 {
		m := &sarama.ConsumerMessage{Offset: int64(i), Value: make([]byte, 1<<20)}
		byCount.add(m, 10)
		bySize.add(m, 1000)
	}
	empty := make([]*sarama.RecordHeader, 50_000) // 100 KB in Kafka
	for n := range empty {
		empty[n] = new(sarama.RecordHeader)
	}
	hostile, most := tail{}, 0
	for i := range 1000 {
		hostile.add(&sarama.ConsumerMessage{Offset: int64(i), Headers: empty}, 1000)
		most = max(most, len(hostile.messages))
	}
	if most > web.MaxBytes/(50_000*48) {
		t.Errorf("kept %d messages of 50,000 empty headers", most)
	}
	if got := len(byCount.messages); got != 10 || byCount.messages[0].Offset != 90 {
		t.Errorf("kept %d messages", got)
	}
	if got := len(bySize.messages); got != web.MaxBytes/(1<<20+messageCost) || bySize.messages[0].Offset != 100-int64(got) {
		t.Errorf("kept %d messages of a MiB", got)
	}
}
