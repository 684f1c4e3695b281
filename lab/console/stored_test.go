package console

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func newest(l *storedLog) storedRecord {
	records, _ := l.newest()
	if len(records) == 0 {
		return storedRecord{}
	}
	return records[len(records)-1]
}

// Without this the console would show something else than what Kafka's operator sees: not the bytes that are stored, or
// those of a topic that does not exist any more.
func TestStoredIsWhatKafkaHolds(t *testing.T) {
	d := newFakeDemo(t)
	var l storedLog
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.follow(ctx, d.addresses.Broker, "topic") }()
	defer func() { stop(); <-ended }()

	r := &kgo.Record{Partition: 2, Key: []byte("k"), Value: []byte{0, 1, 2, 0xff}, Timestamp: time.UnixMilli(1_700_000_000_123)}
	if err := d.client.ProduceSync(ctx, r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record of the third partition is read", func() bool { return newest(&l).Partition == 2 })
	if got := newest(&l); !bytes.Equal(got.value, r.Value) || string(got.key) != "k" || got.size != 4 || got.at.UnixMilli() != 1_700_000_000_123 {
		t.Errorf("got %+v", got)
	}
	d.write(0, bytes.Repeat([]byte{'x'}, 100_000))
	eventually(t, "the large record is read", func() bool { return newest(&l).size == 100_000 })
	if got := newest(&l); got.size != 100_000 || len(got.value) != keptBytes {
		t.Errorf("of the large record are kept %d bytes, its size is %d", len(got.value), got.size)
	}
	d.write(0, nil)
	eventually(t, "the tombstone is read", func() bool { return newest(&l).null })

	admin := kadm.NewClient(d.client)
	if _, err := admin.DeleteTopics(ctx, "topic"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopics(ctx, 3, 1, nil, "topic"); err != nil {
		t.Fatal(err)
	}
	d.client.PurgeTopicsFromProducing("topic")
	d.write(0, []byte("of the recreated topic"))
	eventually(t, "the recreated topic is read", func() bool { return string(newest(&l).value) == "of the recreated topic" })
	records, _ := l.newest()
	for _, r := range records {
		if r.Partition == 0 && r.Offset > 0 || r.null {
			t.Errorf("the record %v of the deleted topic is still there", r.Position)
		}
	}
}

// Without this a topic with many records would take all memory.
func TestStoredIsBounded(t *testing.T) {
	var l storedLog
	for i := range 3 * keptRecords {
		l.add(newStoredRecord(&kgo.Record{Offset: int64(i), Value: fmt.Append(nil, i)}))
	}
	if records, _ := l.newest(); len(records) != keptRecords || records[keptRecords-1].Offset != 3*keptRecords-1 {
		t.Errorf("%d records are kept, the newest is %d", len(records), records[len(records)-1].Offset)
	}
}

// Without this the console would say that all is well while Kafka is away.
func TestKafkaAway(t *testing.T) {
	var l storedLog
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.follow(ctx, "127.0.0.1:1", "topic") }()
	eventually(t, "Kafka's absence is known", func() bool { _, reachable := l.newest(); return !reachable })
	stop()
	<-ended
}

// Without this each window of the console would copy a thousand records several times a second, or show old ones.
func TestReadersShareTheRecords(t *testing.T) {
	var l storedLog
	l.add(newStoredRecord(&kgo.Record{Offset: 1}))
	first, _ := l.newest()
	if again, _ := l.newest(); &again[0] != &first[0] {
		t.Error("nothing was added, and the records were copied")
	}
	l.add(newStoredRecord(&kgo.Record{Offset: 2}))
	if second, _ := l.newest(); len(second) != 2 || len(first) != 1 || first[0].Offset != 1 {
		t.Errorf("%d records before, %d now", len(first), len(second))
	}
	l.add(newStoredRecord(&kgo.Record{Offset: 1}))
	if first[0].Offset != 1 || len(first) != 1 {
		t.Error("the records that a reader has were changed")
	}
}
