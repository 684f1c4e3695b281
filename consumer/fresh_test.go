package consumer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/web/feed"
)

// freshPipeline makes a pipeline that requires fresh records of alice, and what she seals with.
func freshPipeline(t *testing.T, keys ...*rsa.PrivateKey) (p *pipeline, alice ed25519.PrivateKey) {
	t.Helper()
	alice, trusted := signingKeys(t)
	p = strict(t, envelope.OpenerConfig{TrustedSenders: trusted, Require: envelope.Requirements{VerifiedSender: true, Fresh: true}})
	p.sequences.config = replay.Config{Require: p.decryptor.config.Require}
	if len(keys) > 0 {
		useKeys(t, p, keys...)
	}
	return p, alice
}

// sealedAgo makes records of one data key that was first used some time ago.
func sealedAgo(t *testing.T, alice ed25519.PrivateKey, key *rsa.PrivateKey, ago time.Duration, n int) [][]byte {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", SigningKey: alice, Readers: []*rsa.PublicKey{&key.PublicKey},
		Now: func() time.Time { return time.Now().Add(-ago) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealedTexts(t, s, n)
}

// live are buffers for records that were appended now.
func live() *batchBuffers {
	return &batchBuffers{appendedAfter: func(int32, int64) time.Time { return time.Now() }}
}

// wantStale checks that a record is rejected as stale, and holds nothing.
func wantStale(t *testing.T, when string, r *feed.Record) {
	t.Helper()
	if r.State != feed.StateRejected || r.Rejection.Reason != feed.RejectStale || !r.Flags.Stale {
		t.Errorf("%s: offset %d is %s, %+v, %+v", when, r.Offset, r.State, r.Rejection, r.Flags)
	}
	if r.Key != nil || r.Stored != nil || r.Value != nil || r.Headers != nil || r.Withheld != nil {
		t.Errorf("%s: the record holds %+v", when, r)
	}
}

// Without it somebody who has recorded signed messages could have the page show them again, a day later.
func TestReplayOfExpiredRecordsIsRejected(t *testing.T) {
	for name, keyFirst := range map[string]bool{"the key is here": true, "the key comes last": false} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			p, alice := freshPipeline(t)
			if keyFirst {
				useKeys(t, p, key)
			}
			old, now := sealedAgo(t, alice, key, 24*time.Hour, 3), sealedAgo(t, alice, key, time.Minute, 3)
			backlog := &batchBuffers{appendedAfter: func(int32, int64) time.Time { return time.Time{} }}
			p.process(backlog, messages(0, old[0], now[0], old[1])) // the last is behind a newer data key
			p.process(live(), []*sarama.ConsumerMessage{written(3, old[2])})
			p.process(live(), messages(4, now[1], now[2]))
			if !keyFirst {
				useKeys(t, p, key)
			}
			for _, r := range p.feed.Records() {
				if r.Offset == 2 || r.Offset == 3 {
					wantStale(t, name, r)
				} else if r.State != feed.StateDecrypted || r.Flags != (feed.Flags{}) {
					t.Errorf("offset %d is %s, %+v", r.Offset, r.State, r.Flags)
				}
			}
			if got := testutil.ToFloat64(p.metrics.rejected.WithLabelValues("stale")); got != 2 {
				t.Errorf("%v rejections are counted", got)
			}
		})
	}
}

// Without it whoever reads this process's memory or a late response could find the text of a rejected record.
func TestStalePlaintextIsCleared(t *testing.T) {
	key := newKey(t)
	p, alice := freshPipeline(t, key)
	results := p.decryptor.decryptBatch(messages(0, sealedAgo(t, alice, key, 24*time.Hour, 1)...), nil)
	results[0].record.AppendedAfter = time.Now()
	p.sequences.get(0).follow(results)
	wantStale(t, "read", results[0].record)
	if plaintext := results[0].msg.Plaintext; len(plaintext) > 0 {
		t.Errorf("it is %q", plaintext)
	}
}

// Without it a pod that was down for a week would reject what was sent to it in the meantime.
func TestBacklogIsNotStale(t *testing.T) {
	key := newKey(t)
	p, alice := freshPipeline(t, key)
	p.resume(0, 0)
	var b batchBuffers
	offset := int64(0)
	for days := 7; days >= 0; days-- {
		values := sealedAgo(t, alice, key, time.Duration(days)*24*time.Hour, 5)
		p.process(&b, messages(offset, values...))
		offset += int64(len(values))
	}
	for _, r := range p.feed.Records() {
		if r.State != feed.StateDecrypted || r.Flags != (feed.Flags{}) {
			t.Errorf("offset %d is %s, %+v", r.Offset, r.State, r.Flags)
		}
	}
}

// Without it nobody would notice held-back records where no fresh ones are required.
func TestStaleIsFlagged(t *testing.T) {
	key := newKey(t)
	alice, trusted := signingKeys(t)
	p := strict(t, envelope.OpenerConfig{TrustedSenders: trusted}, key)
	p.process(live(), messages(0, sealedAgo(t, alice, key, 24*time.Hour, 1)...))
	if r := p.feed.Records()[0]; r.State != feed.StateDecrypted || !r.Flags.Stale {
		t.Errorf("it is %s, %+v", r.State, r.Flags)
	}
	if got := testutil.ToFloat64(p.metrics.flags.WithLabelValues("stale")); got != 1 {
		t.Errorf("%v are counted", got)
	}
}

// Without it a stale record that stands in the page's history would be shown after a restart, or an honest one would look
// missing.
func TestStaleHistoryIsRejected(t *testing.T) {
	key := newKey(t)
	p, alice := freshPipeline(t, key)
	old, now := sealedAgo(t, alice, key, 24*time.Hour, 2), sealedAgo(t, alice, key, time.Minute, 3)
	p.resume(0, 4)
	p.process(live(), messages(4, now[2]))
	history := messages(0, old[0], now[0], old[1], now[1])
	history[2] = written(2, old[1])
	p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(history))
	p.followAgain(t.Context(), []int32{0}, true)
	for _, r := range p.feed.Records() {
		if r.Offset == 2 {
			wantStale(t, "in the history", r)
		} else if r.State != feed.StateDecrypted || r.Flags != (feed.Flags{}) {
			t.Errorf("offset %d is %s, %+v", r.Offset, r.State, r.Flags)
		}
	}
	if got := testutil.ToFloat64(p.metrics.rejected.WithLabelValues("stale")); got != 1 {
		t.Errorf("%v rejections are counted", got)
	}
}

// Without it one good record beside stale ones would keep the memory of all of them.
func TestKeptRecordHoldsNoStaleMemory(t *testing.T) {
	key := newKey(t)
	p, alice := freshPipeline(t, key)
	old, now := sealedAgo(t, alice, key, 24*time.Hour, 1), sealedAgo(t, alice, key, time.Minute, 2)
	stale := written(1, old[0])
	stale.Key = bytes.Repeat([]byte("junk"), 1000)
	p.resume(0, 2)
	p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst([]*sarama.ConsumerMessage{messages(0, now[0])[0], stale}))
	p.followAgain(t.Context(), []int32{0}, true)
	stale.Offset = 2
	p.process(live(), []*sarama.ConsumerMessage{stale, messages(3, now[1])[0]})
	for _, r := range p.feed.Records() {
		if r.State == feed.StateDecrypted && cap(r.Stored) >= 4000 {
			t.Errorf("offset %d has %d bytes", r.Offset, cap(r.Stored))
		}
	}
}

// Without it a deleted and recreated topic would let anyone show all messages once more.
func TestReplayIntoARecreatedTopic(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	values := sealedTexts(t, s, 12)
	b := batchBuffers{topic: group.TopicID{1}}
	p.sequences.startSession(b.topic, []int32{0})
	p.resume(0, 0)
	p.process(&b, messages(0, values[:10]...))
	b.topic = group.TopicID{2}
	p.sequences.startSession(b.topic, []int32{0})
	p.resume(0, 0)
	p.process(&b, messages(0, values[10], values[3], values[11], values[7]))
	want := map[int64]feed.Flags{1: {Repeat: true, First: -1}, 3: {Repeat: true, First: -1}}
	for _, r := range p.feed.Records() {
		if r.TopicID == b.topic && r.Flags != want[r.Offset] {
			t.Errorf("offset %d: %+v, want %+v", r.Offset, r.Flags, want[r.Offset])
		}
	}
	// Without ids nobody can tell. What is read again must not look like a replay.
	p.sequences.startSession(group.TopicID{}, []int32{0})
	p.resume(0, 0)
	b.topic = group.TopicID{}
	p.process(&b, messages(0, values[10]))
	if got := testutil.ToFloat64(p.metrics.flags.WithLabelValues("repeat")); got != 2 {
		t.Errorf("%v repeats are counted", got)
	}
}

// Without it the hand-over of a partition to another pod and back would raise a false alarm, or let replays pass.
func TestPartitionComesBack(t *testing.T) {
	for name, keyFirst := range map[string]bool{"the key is here": true, "the key comes last": false} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
			if keyFirst {
				useKeys(t, p, key)
			}
			values := sealedTexts(t, s, 60)
			var b batchBuffers
			p.resume(0, 0)
			p.process(&b, messages(0, values[:10]...))
			p.resume(0, 28) // another pod had 10 to 27
			p.process(&b, messages(28, append(values[28:40:40], values[3])...))
			p.resume(0, 41) // this pod continues
			p.process(&b, messages(41, values[42:50]...))
			if !keyFirst {
				useKeys(t, p, key)
			}
			if got := fmt.Sprint(p.sequences.unseen()); got != "[{0 10 27}]" {
				t.Errorf("not seen: %s", got)
			}
			want := map[int64]feed.Flags{28: {Unfollowed: true}, 40: {Repeat: true, First: 3}, 41: {Missing: 2}}
			if got := flagsByOffset(p); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if got := testutil.ToFloat64(p.metrics.flags.WithLabelValues("unfollowed")); got != 1 {
				t.Errorf("%v are counted as unfollowed", got)
			}
			// Part of what the other pod has read is loaded as history.
			p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(messages(20, values[20:28]...)))
			p.followAgain(t.Context(), []int32{0}, true)
			if got := fmt.Sprint(p.sequences.unseen()); got != "[{0 10 19}]" {
				t.Errorf("with some history, not seen: %s", got)
			}
			p.backfill(t.Context(), group.TopicID{}, noTimes, newestFirst(messages(10, append(values[10:15:15], values[17:20]...)...)))
			p.followAgain(t.Context(), []int32{0}, true)
			if got := p.sequences.unseen(); len(got) > 0 {
				t.Errorf("with all of the history, not seen: %v", got)
			}
			want = map[int64]feed.Flags{15: {Missing: 2}, 40: {Repeat: true, First: 3}, 41: {Missing: 2}}
			if got := flagsByOffset(p); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("with the history: got %v\nwant %v", got, want)
			}
		})
	}
}

// Without it the records of a mirrored topic would not open, or honest copies would be flagged.
func TestMirroredTopic(t *testing.T) {
	key := newKey(t)
	alice, trusted := signingKeys(t)
	p := strict(t, envelope.OpenerConfig{TrustedSenders: trusted, Require: envelope.Requirements{VerifiedSender: true, Fresh: true}})
	p.sequences.config = replay.Config{Require: p.decryptor.config.Require, Mirror: true}
	useKeys(t, p, key)
	values := sealedAgo(t, alice, key, 24*time.Hour, 4)
	copies := messages(0, values[0], values[1], values[1], values[3])
	copies[3].Partition, copies[3].Offset = 1, 0 // another one than it was sealed for
	for _, m := range copies {
		m.Topic = "us.t"
		p.process(live(), []*sarama.ConsumerMessage{m})
	}
	for _, r := range p.feed.Records() {
		want := feed.Flags{}
		if r.Offset == 2 {
			want = feed.Flags{Repeat: true, First: 1}
		}
		if r.State != feed.StateDecrypted || r.Flags != want || r.DataKey.SealedFor != 0 {
			t.Errorf("%d/%d is %s, %+v, %+v", r.Partition, r.Offset, r.State, r.Rejection, r.Flags)
		}
	}
}
