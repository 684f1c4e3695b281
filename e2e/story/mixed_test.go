package story_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
)

// Without it records would be lost, or read twice, in a topic that some producers compress and others do not: the
// consumer announces large responses before it knows whether they need a change.
func TestMixedCodecs(t *testing.T) {
	const rounds, partitions = 3, 2
	c := harness.Broker(t, partitions)
	record := func(n int) *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: harness.Topic, Partition: int32(n % partitions), Value: sarama.ByteEncoder(append(fmt.Appendf(nil, "%06d ", n), bytes.Repeat([]byte{byte(n)}, 2000)...))}
	}
	sent := 0
	for range rounds {
		for range 30 {
			var plain []*sarama.ProducerMessage
			for range 800 {
				plain = append(plain, record(sent))
				sent++
			}
			harness.Send(t, c, plain)
		}
		for range 10 {
			harness.SendPacked(t, c, sarama.CompressionZSTD, record(sent))
			sent++
		}
	}
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), harness.NewKeys(t).Sidecar))
	p.Wait("all records are read", func() bool { return p.RecordsRead() >= sent })
	p.CheckCounts(map[string]int{"plain": sent})
	last := make(map[int32]int64)
	for _, r := range p.Records() {
		if before, ok := last[r.Partition]; ok && r.Offset != before+1 {
			t.Errorf("partition %d: offset %d follows %d", r.Partition, r.Offset, before)
		}
		last[r.Partition] = r.Offset
	}
}
