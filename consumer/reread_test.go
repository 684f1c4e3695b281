package consumer

import (
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// A member of the group that sets its offset back would bring all messages that have left the page onto it a second time,
// as new ones; and whoever runs Kafka could put other old messages in their place.
func TestOffsetsSetBackShowNothingTwice(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	p.feed = feed.New(10)
	var b batchBuffers
	p.resume(0, 0)
	values := sealedTexts(t, s, 600)
	p.process(&b, messages(0, values...))
	before := p.feed.Records()

	p.resume(0, 400) // the offset was set back
	p.process(&b, messages(400, values[400:]...))
	p.resume(0, 0)
	p.process(&b, messages(0, append(append([][]byte{}, values[300:500]...), values[200:]...)...)) // and others stand there
	for i, r := range p.feed.Records() {
		if i >= len(before) || r != before[i] {
			t.Errorf("offset %d is shown: %s, %+v", r.Offset, r.State, r.Flags)
		}
	}

	p.feed = feed.New(1000) // one with room
	p.resume(0, 100)
	p.process(&b, messages(100, values[:50]...))
	for _, r := range p.feed.Records() {
		if !r.Flags.Unfollowed && !r.Flags.Repeat {
			t.Errorf("offset %d is shown without a flag", r.Offset)
		}
	}
	// What comes behind is new.
	p.process(&b, messages(600, seal(t, s, "new", 0)))
	if all := p.feed.Records(); all[len(all)-1].Offset != 600 || all[len(all)-1].Flags != (feed.Flags{}) {
		t.Errorf("a new record: %+v", all[len(all)-1])
	}
}

// A writer who pushes a rejected replay off the page, and has its history loaded again, would see it shown as a message.
func TestReloadedHistoryIsStillStale(t *testing.T) {
	key := newKey(t)
	p, alice := freshPipeline(t, key)
	p.resume(0, 100)
	old := sealedAgo(t, alice, key, 24*time.Hour, 2)
	appended := func(int32, int64) time.Time { return time.Now() } // it was caught up when they came
	p.backfill(t.Context(), group.TopicID{}, appended, newestFirst([]*sarama.ConsumerMessage{written(10, old[0]), written(11, old[1])}))
	for _, r := range p.feed.Records() {
		wantStale(t, "reloaded", r)
	}
}

// A broker that leaves out the topic's id once could hide that it has recreated the topic with old records.
func TestRecreatedTopicBehindNoID(t *testing.T) {
	key := newKey(t)
	for name, ids := range map[string][]group.TopicID{"left out between": {{1}, {}, {2}}, "left out at first": {{}, {2}}} {
		t.Run(name, func(t *testing.T) {
			p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
			useKeys(t, p, key)
			values := sealedTexts(t, s, 10)
			for i, id := range ids {
				b := batchBuffers{topic: p.sequences.startSession(id, []int32{0})}
				p.resume(0, 0)
				p.process(&b, messages(0, values...))
				want := 0.0
				if i == len(ids)-1 {
					want = 10
				}
				if got := testutil.ToFloat64(p.metrics.flags.WithLabelValues("repeat")); got != want {
					t.Errorf("session %d: %v repeats are flagged, want %v", i, got, want)
				}
				if got := len(p.feed.Records()); got != 10 {
					t.Errorf("session %d: %d rows, want 10", i, got)
				}
			}
		})
	}
}
