package consumer

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// repeating seals with a header in one of every records.
func repeating(t testing.TB, key *rsa.PrivateKey, every int) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey}, Headers: envelope.HeaderPolicy{Records: every, Interval: 60e9},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inPartition returns messages of another partition.
func inPartition(partition int32, list []*sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	for _, m := range list {
		m.Partition = partition
	}
	return list
}

func wantDecrypted(t *testing.T, p *pipeline, n int) {
	t.Helper()
	records := p.feed.Records()
	if len(records) != n {
		t.Errorf("%d records, want %d", len(records), n)
	}
	for _, r := range records {
		if r.State != feed.StateDecrypted || r.HeaderMissing || r.Prefix != "" {
			t.Errorf("partition %d, offset %d is %s", r.Partition, r.Offset, r.State)
		}
	}
}

// Without it what a viewer saw as encrypted would stay so although its header came, or a false alarm would say that records
// before it are missing: a header that comes in the same batch, in a later one, or in another partition.
func TestWaitingRecordsAreFollowedBeforeTheirHeader(t *testing.T) {
	key := newKey(t)
	const first, deleted = 10, 30
	for name, partition := range map[string]int32{"in its partition": 0, "in another partition": 1} {
		t.Run(name, func(t *testing.T) {
			p, s := newPipeline(t), repeating(t, key, 64)
			useKeys(t, p, key)
			values := sealedTexts(t, s, 200)
			elsewhere := inPartition(1, messages(0, seal(t, s, "elsewhere", 1)))
			var b, other batchBuffers
			p.resume(0, first)
			p.resume(1, 0)
			p.process(&b, messages(first, values[first:20]...))
			p.process(&b, messages(20, values[20:deleted]...))
			p.process(&b, messages(deleted+1, values[deleted+1:60]...))
			for _, r := range p.feed.Records() {
				if r.State != feed.StateNeedsHeader {
					t.Fatalf("offset %d is %s before its header came", r.Offset, r.State)
				}
			}
			if partition == 1 {
				p.process(&other, elsewhere)
				p.process(&b, messages(60, values[60:64]...)) // only lean ones, too
				wantDecrypted(t, p, 54)
			} else {
				p.process(&b, messages(60, values[60:]...))
				wantDecrypted(t, p, 189)
			}
			for offset, f := range flagsByOffset(p) {
				if offset != deleted+1 || f != (feed.Flags{Missing: 1}) {
					t.Errorf("offset %d: %+v", offset, f)
				}
			}
			if len(flagged(p)) != 1 {
				t.Errorf("flagged: %v, want %d, behind the deleted one", flagged(p), deleted+1)
			}
		})
	}
}

// Without it records that the group read before would stay encrypted, although the history has their header, or would count as
// missing.
func TestHistoryBringsHeaders(t *testing.T) {
	key := newKey(t)
	p, values := newPipeline(t), sealedTexts(t, repeating(t, key, 1000), 90)
	useKeys(t, p, key)
	var b batchBuffers
	p.resume(0, 70)
	p.process(&b, messages(70, values[70:80]...))
	ctx, topic := t.Context(), group.TopicID{}
	p.backfill(ctx, topic, noTimes, newestFirst(messages(40, values[40:70]...)))
	p.followAgain(ctx, []int32{0}, false)
	p.backfill(ctx, topic, noTimes, newestFirst(messages(0, values[:40]...)))
	p.followAgain(ctx, []int32{0}, true)
	wantDecrypted(t, p, 80)
	p.process(&b, messages(80, values[80:]...))
	wantDecrypted(t, p, 90)
	if got := flagged(p); got != nil {
		t.Errorf("flagged: %v", got)
	}
}

// Without it whoever may write could make records unreadable for ever, by pushing their header out of memory before the key
// comes.
func TestRecordsKeepTheirHeaderUntilTheKeyComes(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	p, values := newPipeline(t), sealedTexts(t, repeating(t, key, 1000), 20)
	var b batchBuffers
	opener := p.decryptor.opener.Load()
	if _, err := opener.Open(nil, "t", values[0]); !errors.Is(err, envelope.ErrNoKey) { // the page has no room for it
		t.Fatal(err)
	}
	p.process(&b, messages(1, values[1:]...))
	for range 600 { // more than it has room for
		full := seal(t, repeating(t, stranger, 1), "junk", 0)
		if _, err := opener.Open(nil, "t", full); err == nil {
			t.Fatal("junk opens")
		}
	}
	if opener.HeaderOf(values[5]) != "" {
		t.Fatal("the header is still known: the flood was too small")
	}
	for i, r := range p.feed.Records() {
		if r.State != feed.StateNoKey || len(r.Prefix) < 256 || r.Size() < len(r.Prefix) {
			t.Errorf("record %d is %s, with a header of %d bytes, which count as %d", i, r.State, len(r.Prefix), r.Size())
		}
	}
	useKeys(t, p, key)
	wantDecrypted(t, p, 19)
}

// Without it a flood of made-up names would cost more than a look-up each: each header that comes would try all of them
// again.
func TestMadeUpNamesAreNotTriedAgain(t *testing.T) {
	key := newKey(t)
	p := newPipeline(t)
	useKeys(t, p, key)
	var b batchBuffers
	var junk [][]byte
	for i := range 900 {
		junk = append(junk, fmt.Appendf([]byte{0xC1, 2}, "%016d\x00\x00\x00\x00%024d", i, i))
	}
	p.process(&b, messages(0, junk...))
	s, honest := p.sequences.get(0), sealedTexts(t, repeating(t, key, 1), 1)
	p.process(&b, messages(900, honest...))
	if n := testing.AllocsPerRun(10, func() { p.openWaiting(s) }); n != 0 {
		t.Errorf("no header came, and looking takes %v allocations", n)
	}
	p.process(&b, messages(901, seal(t, repeating(t, key, 1), "with another header", 0)))
	if n := testing.AllocsPerRun(10, func() {
		s.waiting.tried--
		p.openWaiting(s)
	}); n > 50 {
		t.Errorf("a header came, and it takes %v allocations to see that it is none of theirs", n)
	}
	if got := len(namesOf(p.waitingRecords(s), storedOf)); got != 900 {
		t.Errorf("%d names are to be looked for, want 900", got)
	}
}

// Without it each lean record of a batch would cost an allocation: the messages share their memory, whose size follows from
// each record's kind.
func TestLeanRecordsShareMemory(t *testing.T) {
	key := newKey(t)
	p := newPipeline(t)
	useKeys(t, p, key)
	full, lean := sealedTexts(t, repeating(t, key, 1), 64), sealedTexts(t, repeating(t, key, 1000), 65)
	allocations := func(values [][]byte) float64 {
		batch, results := messages(0, values...), []result(nil)
		n := testing.AllocsPerRun(20, func() { results = p.decryptor.decryptBatch(batch, results) })
		for i, r := range results {
			if r.record.State != feed.StateDecrypted || len(r.record.Value) == 0 || cap(r.record.Value) != len(r.record.Value) {
				t.Errorf("record %d is %s: %q, with room for %d bytes", i, r.record.State, r.record.Value, cap(r.record.Value))
			}
		}
		return n
	}
	allocations(lean) // its data key is unwrapped once
	want := allocations(full)
	for name, values := range map[string][][]byte{"a full one first": lean[:64], "lean ones first": slices.Concat(lean[1:33], full[:32])} {
		if got := allocations(values); got > want+10 {
			t.Errorf("%s: %v allocations, want about %v, as for full records", name, got, want)
		}
	}
}
