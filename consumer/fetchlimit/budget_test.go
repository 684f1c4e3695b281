package fetchlimit

import (
	"slices"
	"testing"

	"github.com/IBM/sarama"
)

// Without it delivered messages would count against the budget forever, and reading would stop.
func TestRequestedPartitions(t *testing.T) {
	for version := int16(4); version <= 12; version++ {
		request := fetchRequest(version, 7, 3, 1, 1000)
		if got := requestedPartitions(version, request); !slices.Equal(got, []int32{3, 1, 1000}) {
			t.Errorf("version %d: got %v", version, got)
		}
		for n := range request {
			requestedPartitions(version, request[:n])
		}
	}
}

// Without it a writer could fill many partitions with records that are slow to decrypt, and each would hold a response
// of the largest size in memory.
func TestResponsesShareABudget(t *testing.T) {
	const partitions = 100
	compressed := makeBatch(0, 1, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(1, testMaxBatch*3/5, 0)))
	b := newBudget(4 * testMaxBatch)
	served := func(id int32) bool {
		t.Helper()
		r := testRewriter(b) // each on its own connection
		all := make([][]byte, id+1)
		all[id] = compressed
		out, err := r.rewriteResponse(sentFetch{version: 11}, fetchResponse(11, all...))
		if err != nil {
			t.Fatal(err)
		}
		starved := r.starved()
		if full := len(out) > testMaxBatch/2; full == starved {
			t.Fatalf("a response of %d bytes, starved: %v", len(out), starved)
		}
		return !starved
	}
	held := 0
	for id := range int32(partitions) {
		if served(id) {
			held++
		}
	}
	if b.used > b.total || held < 4 || held > 6 {
		t.Errorf("%d of %d responses are held, with %d bytes of %d", held, partitions, b.used, b.total)
	}
	b.release(0)
	if !served(99) || served(98) {
		t.Error("a new request releases nothing, or too much")
	}
	b.reset()
	if b.used != 0 || !served(98) {
		t.Error("a new session finds the budget used up")
	}
}
