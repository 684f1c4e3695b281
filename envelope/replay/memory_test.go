package replay_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// Without this, the window in use would be evicted, or a small tracker would follow
// nothing.
func TestTrackerEvictsTheOldest(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{Bytes: 1000}) // room for two windows
	follow(tracker, "a", 0, 0, 0, 1)
	follow(tracker, "b", 0, 0, 0, 2)
	follow(tracker, "a", 0, 1, 0, 3) // used again
	follow(tracker, "c", 0, 0, 0, 4) // evicts b
	if got := follow(tracker, "a", 0, 1, 0, 5).String(); got != "repeat of offset 3" {
		t.Errorf("the window used last was evicted: %s", got)
	}
	if got := follow(tracker, "b", 0, 9, 0, 6).String(); got != "none" {
		t.Errorf("the oldest window was kept: %s", got)
	}
	one := replay.NewTracker(replay.Config{Bytes: 1})
	follow(one, "a", 0, 0, 0, 1)
	if got := follow(one, "a", 0, 0, 0, 2); !got.Repeat {
		t.Error("a tracker of one byte follows nothing")
	}
}

// Without this, whoever knows the public key could fill the reader's memory, more with
// each partition, and hide replays of verified senders.
func TestTrackerIsBoundedInBytes(t *testing.T) {
	const limit, partitions = 1 << 20, 100
	tracker := replay.NewTracker(replay.Config{Bytes: limit})
	verified := func(dataKey string, partition int32, counter uint64, offset int64) replay.Flags {
		return mustFollow(tracker, signedKey{name: dataKey}.record(partition, counter), replay.Position{Partition: partition, Offset: offset})
	}
	before := heap()
	for p := range int32(partitions) {
		verified("alice", p, 7, 1)
	}
	most := 0
	for i := range 40 {
		for p := range int32(partitions) {
			dataKey := fmt.Sprintf("mallory, padded to a real length: %d", i)
			for j := range uint64(300) { // fills the window
				follow(tracker, dataKey, p, 2*j, p, int64(2+300*i)+int64(j))
			}
		}
		most = max(most, tracker.CountedBytes())
	}
	if most > limit {
		t.Errorf("it counts %d bytes, limit %d", most, limit)
	}
	if got := heap() - before; got > 2*limit {
		t.Errorf("it takes %d bytes, limit %d", got, limit)
	}
	for p := range int32(partitions) {
		if got := verified("alice", p, 7, 1<<40).String(); got != "repeat of offset 1" {
			t.Fatalf("partition %d: the window of a verified sender was evicted: %s", p, got)
		}
	}
	runtime.KeepAlive(tracker)
}

// Without this, a flood in one partition would hide repeats in all.
func TestTrackerFloodStaysInItsPartition(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{Bytes: 100 << 10})
	follow(tracker, "k", 1, 0, 1, 5)
	for i := range int64(1000) {
		follow(tracker, fmt.Sprint(i), 0, 0, 0, i)
	}
	if got := follow(tracker, "k", 1, 0, 1, 6).String(); got != "repeat of offset 5" {
		t.Errorf("got %s", got)
	}
}

// Without this, verified senders would leave no room for others, or another holder of the
// data key could lower a sender's trust class.
func TestTrackerTrustClasses(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{Bytes: 40 << 10})
	record := func(dataKey string, state envelope.SenderState, counter uint64, offset int64) string {
		return mustFollow(tracker, &envelope.Message{Format: envelope.FormatEnvelope, DataKey: dataKey, Counter: counter, Counted: true, Bound: true, Sender: envelope.Sender{State: state}}, replay.Position{Offset: offset}).String()
	}
	record("anybody's", envelope.SenderUnverified, 3, 1)
	record("shared", envelope.SenderUnverified, 3, 2)
	record("shared", envelope.SenderVerified, 4, 3)
	record("shared", envelope.SenderUntrusted, 5, 4)
	for i := range int64(50) {
		record(fmt.Sprint("verified ", i), envelope.SenderVerified, 0, 5+i)
	}
	if got := record("anybody's", envelope.SenderUnverified, 3, 100); got != "repeat of offset 1" {
		t.Errorf("evicted by verified senders, who have room of their own: %s", got)
	}
	for i := range int64(500) {
		record(fmt.Sprint("other ", i), envelope.SenderUnverified, 0, 101+i)
	}
	if got := record("shared", envelope.SenderVerified, 4, 1000); got != "repeat of offset 3" {
		t.Errorf("the window of a verified sender was evicted: %s", got)
	}
	for i := range int64(500) {
		record(fmt.Sprint("more ", i), envelope.SenderVerified, 0, 2000+i)
	}
	if tracker.CountedBytes() > 40<<10 {
		t.Errorf("it counts %d bytes", tracker.CountedBytes())
	}
}

// Without this, replayed old data keys would evict those in use, or a replay would pass
// as new after its data key was evicted.
func TestTrackerEvictsWhatExpiresFirst(t *testing.T) {
	r := newReader(replay.Config{Bytes: 20 << 10}, noon)
	inUse, forgotten := signedKey{name: "in use", sender: "bob", after: time.Minute}, signedKey{name: "forgotten"}
	expect(t, []string{r.read(inUse, 0, 0), r.read(forgotten, 0, 1)}, none, none)
	for i := range int64(100) {
		year := signedKey{name: fmt.Sprint(i), after: time.Duration(i-100) * time.Second}
		r.read(year, 0, 2+i)
	}
	expect(t, []string{
		r.read(inUse, 0, 200),
		r.read(signedKey{name: "0", after: -100 * time.Second}, 0, 201), // evicted: it may be a repeat
		r.read(forgotten, 0, 202),
		r.read(signedKey{name: "new", after: 10 * time.Minute}, 0, 203),
	}, "repeat of offset 0", unfollowed, "repeat of offset 1", none)
	if r.CountedBytes() > 20<<10 {
		t.Errorf("it counts %d bytes", r.CountedBytes())
	}
}

// Without this, one partition of which a backlog is read would not be followed while the
// memory is full of newer data keys of others.
func TestTrackerFollowsABacklogBesideOthers(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{Bytes: 40 << 10})
	read := func(k signedKey, partition int32, counter uint64, offset int64) string {
		return mustFollow(tracker, k.record(partition, counter), replay.Position{Partition: partition, Offset: offset}).String()
	}
	for i := range int64(100) {
		read(signedKey{name: fmt.Sprint("live ", i), after: time.Duration(i) * time.Second}, 0, 0, i)
	}
	backlog := signedKey{name: "backlog", after: -7 * 24 * time.Hour}
	expect(t, []string{read(backlog, 1, 0, 0), read(backlog, 1, 1, 1), read(signedKey{name: "live 100", after: time.Hour}, 0, 0, 100), read(backlog, 1, 0, 2)},
		none, none, none, "repeat of offset 0")
}

// Without this, anybody could evict the windows of verified senders with copies of their
// records in other partitions.
func TestMovedRecordsTakeNoMemoryFromVerifiedSenders(t *testing.T) {
	r := newReader(replay.Config{Bytes: 40 << 10}, noon)
	for i := range uint64(20) {
		r.read(signedKey{name: fmt.Sprint(i)}, 0, int64(i))
	}
	for i := range int32(1000) {
		mustFollow(r.Tracker, signedKey{name: fmt.Sprint(i), after: time.Hour}.record(1, 0), replay.Position{Offset: int64(100 + i)})
	}
	for i := range int64(20) {
		if got := r.read(signedKey{name: fmt.Sprint(i)}, 0, 2000+i); got != fmt.Sprint("repeat of offset ", i) {
			t.Errorf("data key %d: %s", i, got)
		}
	}
}

// Without this, stale records would take the place of those in use.
func TestStaleDataKeysTakeNoMemory(t *testing.T) {
	r := newReader(replay.Config{}, noon.Add(48*time.Hour))
	r.read(signedKey{name: "now", after: 48 * time.Hour}, 0, 0)
	before := r.CountedBytes()
	for i := range int64(100) {
		r.read(signedKey{name: fmt.Sprint(i)}, 0, 1+i)
		r.readLive(signedKey{name: fmt.Sprint("bob's ", i), sender: "bob"}, 0, 200+i)
	}
	if after := r.CountedBytes(); after != before {
		t.Errorf("they take %d bytes", after-before)
	}
}

// Without this, the times of many senders and partitions would fill the reader's memory,
// or the times of those in use would be forgotten.
func TestTimesAreBounded(t *testing.T) {
	const limit = 200 << 10
	r := newReader(replay.Config{Bytes: limit, Mirror: true}, noon.Add(1000*time.Hour))
	most := 0
	for i := range 20_000 {
		k := signedKey{name: fmt.Sprint(i), after: time.Duration(i) * time.Second}
		mustFollow(r.Tracker, k.record(int32(i%2000), 0), replay.Position{Offset: int64(i)})
		if i%100 == 0 {
			most = max(most, r.CountedBytes())
		}
	}
	if most > limit {
		t.Errorf("it counts %d bytes, limit %d", most, limit)
	}
	old := signedKey{name: "old"}.record(1999, 0)
	if got := mustFollow(r.Tracker, old, replay.Position{Offset: 1 << 40}); !got.Stale {
		t.Errorf("the time of the latest is forgotten: %s", got)
	}
}

// heap returns the heap in use after a garbage collection, in bytes.
func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
