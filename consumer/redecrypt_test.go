package consumer

import (
	"crypto/rsa"
	"slices"
	"testing"
	"time"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Without it a key that comes late would raise false alarms about gaps: where another pod has read, and where the topic
// was recreated.
func TestLateKeyKeepsRunsApart(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	values := sealedTexts(t, s, 60)
	old, now := group.TopicID{1}, group.TopicID{2}
	b := batchBuffers{topic: old}
	p.sequences.startSession(old, []int32{0})
	p.resume(0, 0)
	p.process(&b, messages(0, values[:10]...))
	p.resume(0, 28) // another pod had 10 to 27
	p.process(&b, messages(28, values[28:40]...))
	p.resume(0, 50) // and once more
	p.process(&b, messages(50, values[50:60]...))

	p.sequences.startSession(now, []int32{1})
	b.topic = now
	p.resume(1, 0)
	next := messages(0, sealedTexts(t, s, 10)...) // the same producer goes on
	for _, m := range next {
		m.Partition = 1
	}
	p.process(&b, next)
	useKeys(t, p, key)
	for _, record := range p.feed.Records() {
		if f := record.Flags; record.State != feed.StateDecrypted || f.Missing > 0 || f.Late || f.Repeat || f.Unfollowed != (record.TopicID == old) {
			t.Errorf("topic %d, offset %d: %s, %+v", record.TopicID[0], record.Offset, record.State, f)
		}
	}
	// Offset 59 of the old topic says nothing about the new one.
	if first, complete := p.resume(0, 40); first != 40 || complete {
		t.Errorf("the new topic is read from %d on, complete %v: its history would be skipped", first, complete)
	}
}

// Without it many slow records would delay the request for a second key, or its use.
func TestNewKeysDoNotWait(t *testing.T) {
	one, two := newKey(t), newKey(t)
	p := newPipeline(t)
	values := append(sealedTexts(t, newSealer(t, one, envelope.FormatRSA), redecryptChunk), sealedTexts(t, newSealer(t, two, envelope.FormatRSA), 10)...)
	var b batchBuffers
	p.process(&b, messages(0, values...))
	for _, keys := range [][]*rsa.PrivateKey{{one}, {one, two}} { // not used yet
		if err := p.decryptor.SetKeys(keys); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s feed.State) (n int) {
		for _, record := range p.feed.Records() {
			if record.State == s {
				n++
			}
		}
		return n
	}
	older := envelope.NewOpener(envelope.OpenerConfig{})
	if err := older.SetKeys(one); err != nil {
		t.Fatal(err)
	}
	p.redecrypt(older, func() bool { return len(p.decryptor.next) > 0 })
	if n := count(feed.StateDecrypted); n != 0 {
		t.Errorf("%d records were decrypted before the newer keys were used", n)
	}
	p.redecrypt(<-p.decryptor.next, func() bool { return len(p.decryptor.next) > 0 })
	if n := count(feed.StateDecrypted); n != len(values) {
		t.Errorf("%d of %d records are decrypted", n, len(values))
	}
	if err := p.decryptor.SetKeys([]*rsa.PrivateKey{{}}); err == nil {
		t.Error("a key that cannot be used is accepted")
	}
}

// Without it records that come while a key arrives would be tracked before earlier ones, or never be decrypted.
func TestKeysArriveWhileRecordsDo(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	values := sealedTexts(t, s, 900)
	values = slices.Delete(values, 500, 502) // a gap, wherever the key comes
	done := make(chan struct{})
	go func() {
		defer close(done)
		var b batchBuffers
		for i := 0; i < len(values); i += 2 {
			p.process(&b, messages(int64(i), values[i:min(i+2, len(values))]...))
		}
	}()
	for len(p.feed.Records()) < 100 {
		time.Sleep(time.Millisecond)
	}
	useKeys(t, p, key)
	<-done
	for _, record := range p.feed.Records() {
		if record.State != feed.StateDecrypted {
			t.Fatalf("offset %d is %s", record.Offset, record.State)
		}
	}
	if got := flagged(p); !slices.Equal(got, []int64{500}) {
		t.Errorf("flagged: %v", got)
	}
}
