package replay_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// Without this, the first records of a data key could be withheld unnoticed.
func TestGapAtTheBeginning(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	unsigned := signedKey{name: "unsigned", after: time.Hour}.record(0, 5)
	unsigned.Sender.State = envelope.SenderUnverified
	expect(t, []string{
		r.read(signedKey{name: "before", after: -time.Minute}, 7, 10),
		r.read(signedKey{name: "before", after: -time.Minute}, 8, 11),
		r.read(signedKey{name: "from 0"}, 0, 12),
		r.read(signedKey{name: "perhaps before, by a fast clock", after: 5 * time.Minute}, 3, 13),
		r.read(signedKey{name: "after", after: 5*time.Minute + time.Second}, 3, 14),
		r.read(signedKey{name: "after", after: 5*time.Minute + time.Second}, 2, 15),
		r.read(signedKey{name: "after, from 0", after: time.Hour}, 0, 16),
		mustFollow(r.Tracker, unsigned, replay.Position{Offset: 17}).String(),
	}, unfollowed, none, none, unfollowed, "3 missing before it", "late", none, none)
}

// Without this, a replay would pass after the topic was recreated, or honest records in
// the new topic would be flagged.
func TestTopicRecreated(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	k, old := signedKey{name: "k"}, signedKey{name: "old", after: -4 * time.Hour}
	r.read(old, 0, 99)
	for counter := range uint64(600) { // more than the tracker knows the offsets of
		r.read(k, counter, int64(100+counter))
	}
	r.read(k, 605, 700) // 600 to 604 were not seen
	r.TopicRecreated()
	expect(t, []string{
		r.read(k, 606, 0), r.read(k, 0, 1), r.read(k, 599, 2), r.read(k, 605, 3), r.read(k, 602, 4), r.read(k, 602, 5), r.read(k, 607, 6), r.read(k, 606, 7),
		r.read(old, 0, 8), r.read(signedKey{name: "older", after: -5 * time.Hour}, 0, 9),
		r.read(k, 0, 1), r.read(k, 606, 0), // read again
	}, none, "repeat", "repeat", "repeat", "late", "repeat of offset 4", none, "repeat of offset 0",
		"stale, repeat", stale, "repeat", none)

	r.TopicRecreated() // once more
	expect(t, []string{r.read(k, 607, 500), r.read(k, 1, 501), r.read(k, 608, 502)}, "repeat", "repeat", none)
	r.Rewind(0, 100)
	expect(t, []string{r.read(k, 606, 100), r.read(k, 607, 500), r.read(k, 1, 501), r.read(k, 608, 502), r.read(k, 609, 503)},
		"repeat", "repeat", "repeat", none, none)
}

// Without this, records that another member has read would count as missing, or a replay
// would pass after a partition has come back.
func TestPartitionRevoked(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	k := signedKey{name: "k"}
	expect(t, []string{r.read(k, 0, 10), r.read(k, 1, 11)}, none, none)
	r.PartitionRevoked(0)
	expect(t, []string{r.read(k, 1, 11), r.read(k, 2, 12), r.read(k, 4, 13)}, none, none, "1 missing before it") // nobody else has read
	r.PartitionRevoked(0)
	r.now = noon.Add(30 * time.Minute)
	expect(t, []string{
		r.read(k, 50, 60),
		r.read(signedKey{name: "away", after: 10 * time.Minute}, 8, 61), // began while the partition was away
		r.read(k, 1, 62),
		r.read(k, 20, 63), // one that the other member has read, or not
		r.read(k, 52, 64),
		r.read(signedKey{name: "after", after: 40 * time.Minute}, 8, 65),
		r.read(k, 51, 59), // a late key: before the break
	}, unfollowed, unfollowed, "repeat of offset 11", "late", "1 missing before it", "8 missing before it", none)
	r.PartitionRevoked(7) // never followed
}

// Without this, a key that comes late would make records that another member has read
// look missing, or hide that the first records of a data key are withheld.
func TestFollowFrom(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	r.FollowFrom(0, 10)
	r.FollowFrom(0, 40) // another member had 20 to 39
	r.now = noon.Add(2 * time.Hour)
	k := signedKey{name: "k", after: -time.Minute}
	expect(t, []string{ // the key is here
		r.read(k, 0, 10), r.read(k, 1, 12), r.read(k, 20, 41), r.read(k, 22, 42),
		r.read(signedKey{name: "after", after: 10 * time.Minute}, 2, 43),
		r.read(k, 23, 44),
	}, none, none, unfollowed, "1 missing before it", "2 missing before it", none)
	r.FollowFrom(0, 45) // nobody else has read
	r.FollowFrom(0, 30)
	expect(t, []string{r.read(k, 25, 45)}, "1 missing before it")
	r.TopicRecreated()
	r.FollowFrom(0, 0)
	expect(t, []string{r.read(k, 27, 3), r.read(k, 1, 4)}, "1 missing before it", "repeat")
	r.TopicRecreated()
	r.FollowFrom(0, 5)
	expect(t, []string{r.read(k, 30, 6)}, unfollowed)
}

// Without this, what a record shows by itself would get lost if it cannot be followed in
// order, or it would change what is known of others.
func TestCheck(t *testing.T) {
	r := newReader(replay.Config{}, noon.Add(2*time.Hour))
	k := signedKey{name: "k"}
	check := func(msg *envelope.Message, pos replay.Position) string {
		flags, err := r.Check(msg, pos)
		if err != nil {
			t.Error(err)
		}
		return flags.String()
	}
	expect(t, []string{
		check(k.record(0, 7), replay.Position{}),
		check(k.record(3, 8), replay.Position{}),
		check(k.record(0, 9), replay.Position{AppendedAfter: r.now}),
		check(&envelope.Message{Format: envelope.FormatJWE}, replay.Position{}),
		check(&envelope.Message{Format: envelope.FormatRSA}, replay.Position{}),
		r.read(k, 0, 1), r.read(k, 1, 2),
	}, none, "moved from partition 3", stale, "not bound to a topic", none, none, none)

	fresh := newReader(replay.Config{Require: envelope.Requirements{Fresh: true}}, r.now)
	msg := k.record(0, 0)
	plaintext := msg.Plaintext
	if _, err := fresh.Check(msg, replay.Position{AppendedAfter: r.now}); !errors.Is(err, envelope.ErrRejected) || msg.Plaintext != nil || plaintext[0] != 0 {
		t.Errorf("a stale record: %v, %q, %q", err, msg.Plaintext, plaintext)
	}
	if _, err := fresh.Check(k.record(0, 0), replay.Position{}); err != nil {
		t.Error(err)
	}
}

// Without this, records that are loaded later would leave wrong flags on those that were read first.
func TestRewind(t *testing.T) {
	k, live := signedKey{name: "k"}, signedKey{name: "live", after: time.Minute}
	r := newReader(replay.Config{}, noon)
	expect(t, []string{r.read(k, 0, 5), r.read(k, 1, 6)}, none, none)
	r.PartitionRevoked(0)
	expect(t, []string{r.read(k, 20, 100), r.read(k, 22, 101), r.read(live, 3, 102), r.read(k, 1, 103)},
		unfollowed, "1 missing before it", unfollowed, "repeat of offset 6")
	r.Rewind(0, 90)
	expect(t, []string{
		r.read(live, 0, 90), r.read(live, 1, 91), r.read(k, 18, 92), r.read(k, 0, 93), r.read(live, 1, 94), r.read(signedKey{name: "loaded"}, 2, 95), r.read(signedKey{name: "loaded"}, 4, 96), // loaded
		r.read(k, 20, 100), r.read(k, 22, 101), r.read(live, 3, 102), r.read(k, 1, 103), // once more
		r.read(k, 23, 104), r.read(live, 4, 105), r.read(k, 21, 106), // new
	}, none, none, none, "repeat of offset 5", "repeat of offset 91", unfollowed, "1 missing before it",
		"1 missing before it", "1 missing before it", "1 missing before it", "repeat of offset 6",
		none, none, "late")
}

// Without this, a mirror's honest records would be flagged.
func TestMirror(t *testing.T) {
	r := newReader(replay.Config{Mirror: true}, noon.Add(24*time.Hour))
	old, next := signedKey{name: "k"}, signedKey{name: "next", after: 2 * time.Hour}
	expect(t, []string{
		r.readLive(old, 0, 10), r.readLive(old, 1, 11), r.readLive(old, 0, 12), r.readLive(old, 1, 13), // it is a day late, and copies twice
		r.readLive(next, 1, 14), r.readLive(next, 3, 15),
		r.readLive(old, 2, 16), // after one of a newer data key
	}, none, none, "repeat of offset 10", "repeat of offset 11", unfollowed, "1 missing before it", stale)

	// A mirror that changes partitions: each original partition is behind by another time.
	r = newReader(replay.Config{Mirror: true}, noon.Add(24*time.Hour))
	for i, c := range []struct {
		k         signedKey
		sealedFor int32
		counter   uint64
		want      string
	}{
		{next, 1, 0, none},
		{next, 1, 5, none},
		{old, 2, 0, none},
		{next, 1, 3, none},
		{old, 2, 7, none},
		{old, 0, 7, none},
		{next, 1, 5, "repeat of offset 1"},
		{next, 2, 0, none},
		{old, 2, 8, stale},
	} {
		if got := mustFollow(r.Tracker, c.k.record(c.sealedFor, c.counter), replay.Position{Offset: int64(i), AppendedAfter: r.now}).String(); got != c.want {
			t.Errorf("record %d: got %s, want %s", i, got, c.want)
		}
	}
}

// Without this, a partition that moves back and forth would fill the reader's memory.
func TestBreaksAreBounded(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	k := signedKey{name: "k"}
	for i := range uint64(1000) {
		if got := r.read(k, 3*i, int64(3*i)); i > 0 && got != unfollowed {
			t.Fatalf("record %d: %s", i, got)
		}
		r.PartitionRevoked(0)
	}
	expect(t, []string{fmt.Sprint(r.Breaks(0))}, "64")
}
