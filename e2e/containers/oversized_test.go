package containers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// bombs writes good records, and between them batches that would unpack to gigabytes. It returns the number of records
// by state.
func bombs(t *testing.T, c harness.Cluster, good func() []byte) map[string]int {
	t.Helper()
	want := map[string]int{}
	packed := func(codec sarama.CompressionCodec, state string, messages ...*sarama.ProducerMessage) {
		harness.SendPacked(t, c, codec, messages...)
		want[state] += len(messages)
	}
	var many []*sarama.ProducerMessage // there is room for each of them, but not for all
	for range 100 {
		many = append(many, harness.Zeros(15<<20))
	}
	packed(sarama.CompressionZSTD, "plain", many...)
	for codec, size := range map[sarama.CompressionCodec]int{
		sarama.CompressionGZIP: 64 << 20, sarama.CompressionZSTD: 64 << 20, sarama.CompressionLZ4: 40 << 20, sarama.CompressionSnappy: 17 << 20,
	} {
		packed(codec, "decrypted", &sarama.ProducerMessage{Value: sarama.ByteEncoder(good())})
		packed(codec, "oversized", harness.Zeros(size))
		packed(codec, "plain", harness.Zeros(1<<20))
	}
	packed(sarama.CompressionZSTD, "oversized", &sarama.ProducerMessage{ // few bytes, much memory
		Value: sarama.StringEncoder("x"), Headers: slices.Repeat([]sarama.RecordHeader{{Key: []byte{}}}, 4<<20),
	})
	packed(sarama.CompressionNone, "decrypted", &sarama.ProducerMessage{Value: sarama.ByteEncoder(good())})
	return want
}

// Without this anybody with write access could end the consumer for lack of memory, again after each restart, since a
// kilobyte can unpack to gigabytes; and the records beside such a batch would never be shown.
func TestBatchTooLargeToUnpack(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { neverTooMuch(t, harness.Broker(t, 1), harness.NewKeys(t)) })
	t.Run("Kafka", func(t *testing.T) { neverTooMuch(t, realkafka.Start(t, 1), harness.NewKeys(t)) })
}

func neverTooMuch(t *testing.T, c harness.Cluster, k harness.Keys) {
	t.Helper()
	want := bombs(t, c, func() []byte { return harness.Encrypt(t, k.Private, "worth reading") })
	total := 0
	for _, n := range want {
		total += n
	}
	for _, start := range []string{"read", "read again from the history"} {
		p, process := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=30")
		if start == "read" {
			p.Wait("all records are read", func() bool { return p.RecordsRead() >= total })
			p.CheckCounts(want)
		}
		p.Wait("the page shows what was passed over", func() bool {
			return strings.Count(string(p.Get(p.Page+"/api/records?limit=14")), "unpacks to more than KAFKA_UNPACKED_BYTES") == want["oversized"]
		})
		most := harness.PeakMemory(t, process.Process.Pid) >> 10
		t.Logf("%s: the consumer took %d MiB at most", start, most)
		if most > 500 { // without bounds it takes gigabytes
			t.Errorf("%s: the consumer took %d MiB", start, most)
		}
		process.Stop()
	}
}
