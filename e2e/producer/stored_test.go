package producer_test

import (
	"sync"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// Without this a program that embeds the producer would show the wrong message beside a record.
func TestOnStoredNamesTheRecord(t *testing.T) {
	t.Parallel()
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			b := newProducerEnv(t, 3)
			cfg := b.config()
			cfg.Format, cfg.Count = format, 300
			var mu sync.Mutex
			texts, values := map[[2]int64]string{}, map[[2]int64]string{}
			cfg.OnStored = func(partition int32, offset int64, text, value []byte) {
				mu.Lock()
				defer mu.Unlock()
				texts[[2]int64{int64(partition), offset}], values[[2]int64{int64(partition), offset}] = string(text), string(value)
			}
			if _, err := b.run(t.Context(), cfg, nil); err != nil {
				t.Fatal(err)
			}
			opener, opened := b.opener(t), 0
			for _, records := range b.stored(t) {
				for _, m := range records {
					msg, err := opener.Open(nil, producerTopic, m.Value)
					if err != nil {
						t.Fatal(err)
					}
					if opened++; texts[[2]int64{int64(m.Partition), m.Offset}] != string(msg.Plaintext) {
						t.Fatalf("partition %d, offset %d: got %q, Kafka holds %q", m.Partition, m.Offset, texts[[2]int64{int64(m.Partition), m.Offset}], msg.Plaintext)
					}
					if values[[2]int64{int64(m.Partition), m.Offset}] != string(m.Value) {
						t.Fatalf("partition %d, offset %d: the named value is not what Kafka holds", m.Partition, m.Offset)
					}
				}
			}
			if opened != 300 || len(texts) != 300 {
				t.Errorf("Kafka holds %d records, and %d were named, want 300", opened, len(texts))
			}
			harness.NoSecrets(t, "the log", b.log.String())
		})
	}
}
