package consumer

import (
	"crypto/rsa"
	"strconv"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// leanRecords returns records of which only the first contains the header.
func leanRecords(t *testing.T, key *rsa.PrivateKey, n int) [][]byte {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey}, Headers: envelope.HeaderPolicy{Records: 1000, Interval: 60e9},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealedTexts(t, s, n)
}

// Without it a record that only waits for its header would be called damaged or altered, or would hold up others.
func TestLeanRecordsSayThatTheyNeedAHeader(t *testing.T) {
	key := newKey(t)
	p, values := newPipeline(t), leanRecords(t, key, 3)
	useKeys(t, p, key)
	var b batchBuffers
	p.process(&b, messages(1, values[1], seal(t, newSealer(t, key, envelope.FormatEnvelope), "full", 0), values[2]))
	for i, want := range []feed.State{feed.StateNeedsHeader, feed.StateDecrypted, feed.StateNeedsHeader} {
		if got := p.feed.Records()[i]; got.State != want || got.Format != string(envelope.FormatEnvelope) {
			t.Errorf("record %d is %s, want %s", i, got.State, want)
		}
	}
}

// Without it lean records would be shown as encrypted although their header was read: by another core, before the key
// came, or with the keys that were used before.
func TestLeanRecordsAreDecryptedWithAnEarlierHeader(t *testing.T) {
	key := newKey(t)
	p, values := newPipeline(t), leanRecords(t, key, 600)
	var b batchBuffers
	p.process(&b, messages(0, values[:200]...))
	useKeys(t, p, key)
	p.process(&b, messages(200, values[200:400]...))
	useKeys(t, p, key, newKey(t))
	p.process(&b, messages(400, values[400:]...))
	records := p.feed.Records()
	if len(records) != len(values) {
		t.Fatalf("%d records", len(records))
	}
	for i, r := range records {
		if r.State != feed.StateDecrypted || string(r.Value) != strconv.Itoa(i) || r.Flags != (feed.Flags{}) && i > 0 {
			t.Errorf("record %d is %s, %q, %+v", i, r.State, r.Value, r.Flags)
		}
	}
}
