package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func at0(partition int32, offset int64, second int) *Record {
	r := rec(offset, StatePlain, fmt.Sprint(partition, "/", offset))
	r.Partition, r.Timestamp = partition, time.Unix(int64(second), 0)
	return r
}

func places(f *Feed) string {
	var all []string
	for _, r := range f.Records() {
		all = append(all, fmt.Sprint(r.Partition, "/", r.Offset))
	}
	return strings.Join(all, " ")
}

// Without this the records from before a restart would be above newer ones, push them out, or be in another order than in
// Kafka.
func TestBackfillKeepsTheNewest(t *testing.T) {
	f := New(6)
	f.Append(at0(0, 10, 100), at0(1, 10, 110))
	kept := f.Backfill(at0(0, 8, 90), at0(0, 9, 95), at0(1, 9, 105))
	if got := places(f); got != "0/8 0/9 0/10 1/9 1/10" || len(kept) != 3 {
		t.Errorf("got %s, kept %d", got, len(kept))
	}
	f.Append(at0(0, 11, 120))
	if kept = f.Backfill(at0(0, 6, 1), at0(0, 7, 2)); len(kept) != 0 || places(f) != "0/8 0/9 0/10 1/9 1/10 0/11" {
		t.Errorf("got %s, kept %d: an older record pushed out a newer one", places(f), len(kept))
	}
	if kept = f.Backfill(at0(1, 7, 500), at0(1, 8, 1)); len(kept) != 0 {
		t.Errorf("got %s: a writer's clock put a record above later ones of its partition", places(f))
	}
	if kept = f.Backfill(at0(2, 1, 108)); len(kept) != 1 || places(f) != "0/9 0/10 1/9 2/1 1/10 0/11" {
		t.Errorf("got %s", places(f))
	}
	if kept = f.Backfill(at0(2, 1, 108)); len(kept) != 0 || strings.Count(places(f), "2/1") != 1 {
		t.Errorf("got %s: a record is there twice", places(f))
	}
	if got := f.Summary(false).Counts.Plain; got != 7 {
		t.Errorf("counted %d records, shown were 7", got)
	}
	list, rev := f.Since(0)
	if len(list) != 6 || rev != 7 {
		t.Errorf("%d changes up to %d", len(list), rev)
	}
	if list, _ = f.Since(6); len(list) != 1 || list[0].Partition != 2 {
		t.Errorf("a client that polls misses an older record: %v", list)
	}
}

// Without this a record without a time would hide those before it, or be above newer ones.
func TestBackfillWithoutDates(t *testing.T) {
	undated := func(partition int32, offset int64) *Record {
		r := at0(partition, offset, 0)
		r.Timestamp = time.Time{}
		return r
	}
	f := New(5)
	f.Append(at0(0, 10, 100), undated(0, 11), at0(1, 10, 101))
	if f.Backfill(at0(0, 7, 50), at0(0, 8, 90), undated(0, 9), at0(1, 9, 95)); places(f) != "0/9 1/9 0/10 0/11 1/10" {
		t.Errorf("got %s", places(f))
	}
}

// Without this the link to older records would skip some, and a live page would put rows into wrong places.
func TestBackfilledSeqsAreInOrder(t *testing.T) {
	f := New(3000)
	next := [4]int64{}
	first := [4]int64{100_000, 100_000, 100_000, 100_000}
	for p := range next {
		next[p] = first[p]
	}
	for round := range 200 {
		p := int32(rand.IntN(4))
		f.Append(at0(p, next[p], round))
		next[p]++
		var older []*Record
		for range rand.IntN(30) {
			p := rand.IntN(4)
			first[p]--
			older = append(older, at0(int32(p), first[p], rand.IntN(200)))
		}
		slices.Reverse(older)
		f.Backfill(older...)
		seq, last := uint64(0), map[int32]int64{}
		for _, e := range f.entries {
			if e.seq <= seq {
				t.Fatalf("round %d: seq %d after %d", round, e.seq, seq)
			}
			seq = e.seq
			if before, known := last[e.record.Partition]; known && before >= e.record.Offset {
				t.Fatalf("round %d: offset %d after %d", round, e.record.Offset, before)
			}
			last[e.record.Partition] = e.record.Offset
		}
	}
	seen, seq := 0, uint64(0)
	for {
		list, _ := f.Before(seq)
		if len(list) == 0 {
			break
		}
		list = list[:min(len(list), 50)]
		seen += len(list)
		seq = list[len(list)-1].Seq
	}
	if held, _ := f.Size(); seen != held {
		t.Errorf("paged through %d of %d records", seen, held)
	}
}

// Without this the first records of a large history would use up all free seqs.
func TestBackfillOfALargeHistory(t *testing.T) {
	f := New(100_000)
	f.Append(at0(0, 1_000_000, 1_000_000))
	for first := int64(1_000_000); first > 990_000; first -= 64 {
		batch := make([]*Record, 64)
		for i := range batch {
			batch[i] = at0(0, first-64+int64(i), 1)
		}
		if kept := f.Backfill(batch...); len(kept) != len(batch) {
			t.Fatalf("down to offset %d: kept %d of %d", first, len(kept), len(batch))
		}
	}
	seq := uint64(0)
	for i, e := range f.entries {
		if e.seq <= seq || i > 0 && e.record.Offset != f.entries[i-1].record.Offset+1 {
			t.Fatalf("seq %d after %d, offset %d", e.seq, seq, e.record.Offset)
		}
		seq = e.seq
	}
}

// Without this the seqs between two records could run out, and the order would be lost.
func TestBackfillWithoutFreeSeqs(t *testing.T) {
	f := New(100_000)
	f.Append(at0(0, 1_000_000, 0), at0(0, 1_000_001, 100))
	for i := range 60 {
		f.Backfill(at0(1, int64(1_000_000-i), 50))
	}
	if got := f.Records(); len(got) != 62 || got[len(got)-1].Offset != 1_000_001 || got[len(got)-2].Offset != 1_000_000 || got[len(got)-2].Partition != 1 {
		t.Errorf("got %s", places(f))
	}
	seq := uint64(0)
	for _, e := range f.entries {
		if e.seq <= seq {
			t.Fatalf("seq %d after %d", e.seq, seq)
		}
		seq = e.seq
	}
}

// Without this a record of a deleted topic would stand for the one at the same offset of the recreated topic.
func TestBackfillOfARecreatedTopic(t *testing.T) {
	old, fresh := at0(0, 3, 100), at0(0, 3, 90)
	old.TopicID, fresh.TopicID = [16]byte{1}, [16]byte{2}
	fresh.State = StateNoKey
	f := New(6)
	f.Append(old)
	if kept := f.Backfill(fresh); len(kept) != 1 || places(f) != "0/3" || f.Records()[0] != fresh {
		t.Fatalf("got %s, kept %d", places(f), len(kept))
	}
	if list, _ := f.Since(0); len(list) != 1 || !list[0].reused {
		t.Errorf("a page does not learn that the position has another record: %+v", list)
	}
	open := *fresh
	open.State = StateDecrypted
	f.Replace([]*Record{old}, []*Record{&open}) // too late: the old one was replaced
	f.Replace([]*Record{fresh}, []*Record{&open})
	if f.Records()[0] != &open || f.bytes != open.Size() {
		t.Error("it is not decrypted when its key arrives")
	}
}
