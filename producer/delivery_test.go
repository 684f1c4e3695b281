package producer

import (
	"io"
	"testing"
	"testing/synctest"

	"kafka-e2ee/envelope"
)

// Without this one message that does not fit any more, because the topic's limit or the keys have changed since it was read,
// would take the other lines of its batch with it, or its place in the window for ever.
func TestUnsealableMessageInABatch(t *testing.T) {
	cfg, err := Load(from(map[string]string{"PUBKEY": rsaPEM(t, 2048), "FORMAT": "envelope"}))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		kafka := &fakeKafka{room: 100}
		kafka.up.Store(true)
		d := deliveryTo(t, kafka, cfg, io.Discard)
		const batches = 2 * maxInFlight / (1 << 20) // more than the window holds
		for range batches {
			batch := []record{{text: []byte("first")}, {text: make([]byte, 1<<20)}, {text: []byte("third")}, {err: io.EOF}}
			d.send(t.Context(), batch)
			for i, wrong := range []bool{false, true, false, true} {
				if (batch[i].err != nil) != wrong {
					t.Fatalf("message %d: %v", i, batch[i].err)
				}
			}
		}
		if sum := d.finish(t.Context()); sum != (Summary{Sent: 2 * batches, Acknowledged: 2 * batches}) || len(kafka.stored) != 2*batches {
			t.Errorf("%+v, Kafka holds %d records, want %d", sum, len(kafka.stored), 2*batches)
		}
		if queue := gauge(t, d.metrics, "e2ee_producer_queue_records", ""); queue != 0 {
			t.Errorf("%v records seem to wait", queue)
		}
		for _, r := range kafka.stored {
			if d, err := envelope.Describe(r.value); err != nil || d.Format != envelope.FormatEnvelope {
				t.Fatalf("%+v, %v", d, err)
			}
		}
	})
}
