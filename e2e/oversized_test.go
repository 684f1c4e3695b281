package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

// sendPacked writes each message as a compressed batch of its own.
func sendPacked(t *testing.T, c cluster, codec sarama.CompressionCodec, messages ...*sarama.ProducerMessage) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V2_8_0_0
	conf.Producer.Compression = codec
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	conf.Producer.Return.Successes = true
	conf.Producer.MaxMessageBytes = 90 << 20
	p, err := sarama.NewSyncProducer(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, m := range messages {
		m.Topic = topic
		if _, _, err := p.SendMessage(m); err != nil {
			t.Fatal(err)
		}
	}
}

var allZero = make([]byte, 64<<20)

// zeros is a message that next to nothing is left of once it is compressed.
func zeros(size int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Value: sarama.ByteEncoder(allZero[:size])}
}

// bombs writes good records, and between them batches that would take gigabytes
// once unpacked. It gives the number of records by state.
func bombs(t *testing.T, c cluster, good func() []byte) map[string]int {
	t.Helper()
	want := map[string]int{}
	packed := func(codec sarama.CompressionCodec, state string, messages ...*sarama.ProducerMessage) {
		sendPacked(t, c, codec, messages...)
		want[state] += len(messages)
	}
	var many []*sarama.ProducerMessage // there is room for each of them, but not for all
	for range 100 {
		many = append(many, zeros(15<<20))
	}
	packed(sarama.CompressionZSTD, "plain", many...)
	for codec, size := range map[sarama.CompressionCodec]int{
		sarama.CompressionGZIP: 64 << 20, sarama.CompressionZSTD: 64 << 20, sarama.CompressionLZ4: 40 << 20, sarama.CompressionSnappy: 17 << 20,
	} {
		packed(codec, "decrypted", &sarama.ProducerMessage{Value: sarama.ByteEncoder(good())})
		packed(codec, "oversized", zeros(size))
		packed(codec, "plain", zeros(1<<20))
	}
	packed(sarama.CompressionZSTD, "oversized", &sarama.ProducerMessage{ // few bytes, much memory
		Value: sarama.StringEncoder("x"), Headers: slices.Repeat([]sarama.RecordHeader{{Key: []byte{}}}, 4<<20),
	})
	packed(sarama.CompressionNone, "decrypted", &sarama.ProducerMessage{Value: sarama.ByteEncoder(good())})
	return want
}

// Without this anybody who may write could end the consumer for lack of memory,
// again after each restart: a kilobyte can unpack to gigabytes. And the records
// beside such a batch would never be seen.
func TestBatchTooLargeToUnpack(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { neverTooMuch(t, broker(t, 1), newKeys(t)) })
	t.Run("Kafka", func(t *testing.T) { neverTooMuch(t, startKafka(t, 1), newKeys(t)) })
}

func neverTooMuch(t *testing.T, c cluster, k keys) {
	t.Helper()
	want := bombs(t, c, func() []byte { return encrypt(t, k.key, "worth reading") })
	for _, start := range []string{"read", "read again from the history"} {
		p, process := startConsumer(t, c, k.sidecar, "WEB_HISTORY=30")
		if start == "read" {
			p.wait("all is read", func() bool { return fmt.Sprint(states(t, p)) == fmt.Sprint(want) })
		}
		p.wait("the page shows what was passed over", func() bool {
			return strings.Count(string(p.get(p.page+"/api/records?limit=14")), "does not unpack within") == want["oversized"]
		})
		most := peak(t, process.Process.Pid) >> 10
		t.Logf("%s: the consumer took %d MiB at most", start, most)
		if most > 500 { // and gigabytes without bounds
			t.Errorf("%s: the consumer took %d MiB", start, most)
		}
		process.end()
	}
}
