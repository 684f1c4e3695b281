package consumer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Without it a history that is loaded after newer records would raise false alarms, or hide a gap or a replay between
// the two.
func TestHistoryAfterNewerRecords(t *testing.T) {
	for name, keyFirst := range map[string]bool{"the key is here": true, "the key comes last": false} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
			if keyFirst {
				useKeys(t, p, key)
			}
			values := sealedTexts(t, s, 42)
			values = slices.Delete(values, 20, 22)                           // two are missing where the group resumed: offset 20 follows 19
			values[30] = values[5]                                           // a replay
			values[25], values[26] = values[26], values[25]                  // late
			if first, complete := p.resume(0, 20); first != 20 || complete { // the committed offset
				t.Fatalf("read from %d, complete %v", first, complete)
			}
			var b batchBuffers
			p.process(&b, messages(20, values[20:35]...))
			old := messages(0, values[:20]...)
			for _, part := range [][2]int{{12, 20}, {0, 12}} {
				if kept := p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(old[part[0]:part[1]])); len(kept) != part[1]-part[0] {
					t.Fatalf("kept %d", len(kept))
				}
			}
			p.process(&b, messages(35, values[35:37]...))
			p.followAgain(t.Context(), []int32{0}, true)
			p.process(&b, messages(37, values[37:]...))
			if !keyFirst {
				useKeys(t, p, key)
			}
			want := map[int64]feed.Flags{20: {Missing: 2}, 25: {Missing: 1}, 26: {Late: true}, 30: {Repeat: true, First: 5}, 31: {Missing: 1}}
			if got := flagsByOffset(p); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if first, complete := p.resume(0, 40); first != 0 || !complete {
				t.Errorf("the history would be loaded again: from %d, complete %v", first, complete)
			}
		})
	}
}

// Without it a broker that holds back the oldest part of the history would hide replays of the rest, or what is loaded
// so far would count as all.
func TestHistoryInParts(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	values := sealedTexts(t, s, 30)
	p.resume(0, 20)
	var b batchBuffers
	p.process(&b, messages(20, append(values[20:30:30], values[15], values[5])...))
	old := messages(0, values[:20]...)
	for _, part := range []struct {
		from, to int
		want     map[int64]feed.Flags
	}{
		{12, 20, map[int64]feed.Flags{30: {Repeat: true, First: 15}, 31: {Late: true}}},
		{0, 12, map[int64]feed.Flags{30: {Repeat: true, First: 15}, 31: {Repeat: true, First: 5}}},
	} {
		p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(old[part.from:part.to]))
		p.followAgain(t.Context(), []int32{0}, part.from == 0)
		if got := flagsByOffset(p); fmt.Sprint(got) != fmt.Sprint(part.want) {
			t.Errorf("from %d: got %v\nwant %v", part.from, got, part.want)
		}
		if first, complete := p.resume(0, 32); int(first) != part.from || complete != (part.from == 0) {
			t.Errorf("from %d: loaded from %d, complete %v", part.from, first, complete)
		}
	}
}

// Without it records that the feed has dropped in the meantime would look missing, and their replays like new records.
func TestHistoryThatDoesNotFit(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	p.feed = feed.New(10)
	useKeys(t, p, key)
	values := sealedTexts(t, s, 60)
	p.resume(0, 20)
	var b batchBuffers
	p.process(&b, messages(20, values[20:28]...))
	if kept := p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(messages(10, values[10:20]...))); len(kept) != 2 {
		t.Errorf("kept %d, want 2", len(kept))
	}
	p.process(&b, messages(28, values[28:50]...)) // displaces the whole history, and some newer records
	p.followAgain(t.Context(), []int32{0}, true)
	p.process(&b, messages(50, append(values[50:59:59], values[25])...))
	if got, want := flagsByOffset(p), map[int64]feed.Flags{59: {Repeat: true, First: 25}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without it a history that is loaded while its session ends would count for the next session, or for another topic.
func TestHistoryEndsWithItsSession(t *testing.T) {
	p := newPipeline(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.resume(0, 20)
	cancel()
	if kept := p.backfill(ctx, group.TopicID{}, noTimes, messages(0, []byte("late"))); len(kept) > 0 || len(p.feed.Records()) > 0 {
		t.Error("a record is shown")
	}
	p.followAgain(ctx, []int32{0}, true)
	if _, complete := p.resume(0, 20); complete {
		t.Error("the history counts as loaded")
	}
}

// Without it a claim, a history and a new key that work on one partition at the same time could race (under -race) or
// flag wrong records.
func TestHistoryWhileRecordsCome(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	values := sealedTexts(t, s, 900)
	var parts sync.WaitGroup
	p.resume(0, 450)
	parts.Go(func() {
		var b batchBuffers
		for i := 450; i < 900; i += 10 {
			p.process(&b, messages(int64(i), values[i:i+10]...))
		}
	})
	parts.Go(func() {
		for end := 450; end > 0; end -= 10 {
			p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(messages(int64(end-10), values[end-10:end]...)))
		}
		p.followAgain(t.Context(), []int32{0}, true)
	})
	parts.Go(func() {
		useKeys(t, p, key)
	})
	parts.Wait()
	held := p.feed.Records()
	for i, record := range held {
		if record.State != feed.StateDecrypted || record.Flags != (feed.Flags{}) || record.Offset != int64(i) {
			t.Fatalf("at %d: offset %d is %s, %+v", i, record.Offset, record.State, record.Flags)
		}
	}
	if len(held) != 900 {
		t.Errorf("held: %d", len(held))
	}
}
