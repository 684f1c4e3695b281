package replay_test

import (
	"fmt"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// step is a record that a tracker follows, and the flags expected.
type step struct {
	counter uint64
	offset  int64
	want    string
}

func follow(tracker *replay.Tracker, dataKey string, sealedFor int32, counter uint64, foundIn int32, offset int64) replay.Flags {
	return mustFollow(tracker, &envelope.Message{
		Format: envelope.FormatEnvelope, DataKey: dataKey, Partition: sealedFor, Counter: counter, Counted: true, Bound: true,
	}, replay.Position{Partition: foundIn, Offset: offset})
}

func mustFollow(tracker *replay.Tracker, msg *envelope.Message, pos replay.Position) replay.Flags {
	flags, err := tracker.Follow(msg, pos)
	if err != nil {
		panic(err)
	}
	return flags
}

// Without this, a replay would not be flagged, or a genuine record would be.
func TestTracker(t *testing.T) {
	for name, steps := range map[string][]step{
		"in order":               {{0, 10, "none"}, {1, 11, "none"}, {2, 15, "none"}},
		"begins in the middle":   {{7, 10, "none"}, {8, 11, "none"}},
		"gap":                    {{0, 10, "none"}, {5, 11, "4 missing before it"}, {6, 12, "none"}},
		"gap from the baseline":  {{100, 10, "none"}, {102, 11, "1 missing before it"}},
		"repeat":                 {{0, 10, "none"}, {1, 11, "none"}, {0, 12, "repeat of offset 10"}, {2, 13, "none"}},
		"repeat of the last":     {{0, 10, "none"}, {0, 11, "repeat of offset 10"}},
		"repeat twice":           {{0, 10, "none"}, {0, 11, "repeat of offset 10"}, {0, 12, "repeat of offset 10"}},
		"late fills a gap":       {{0, 10, "none"}, {2, 11, "1 missing before it"}, {1, 12, "late"}, {1, 13, "repeat of offset 12"}},
		"late in a long gap":     {{0, 10, "none"}, {9, 11, "8 missing before it"}, {5, 12, "late"}, {4, 13, "late"}, {6, 14, "late"}, {5, 15, "repeat of offset 12"}},
		"before the baseline":    {{5, 10, "none"}, {3, 11, "late"}, {4, 12, "late"}, {3, 13, "repeat of offset 11"}, {6, 14, "none"}},
		"read again":             {{0, 10, "none"}, {1, 11, "none"}, {0, 10, "none"}, {1, 11, "none"}, {2, 12, "none"}},
		"gap read again":         {{0, 10, "none"}, {3, 11, "2 missing before it"}, {3, 11, "none"}},
		"repeat read again":      {{0, 10, "none"}, {0, 11, "repeat of offset 10"}, {0, 10, "none"}, {0, 11, "repeat of offset 10"}},
		"late read again":        {{0, 10, "none"}, {2, 11, "1 missing before it"}, {1, 12, "late"}, {1, 12, "none"}},
		"older ones opened last": {{5, 15, "none"}, {3, 13, "none"}, {4, 14, "none"}, {6, 16, "none"}, {3, 17, "repeat of offset 13"}},
		"long ago, again":        {{0, 10, "none"}, {1, 11, "none"}, {2048, 2058, "2046 missing before it"}, {0, 10, "none"}, {0, 2523, "repeat"}},
	} {
		tracker := replay.NewTracker(replay.Config{})
		for i, s := range steps {
			if got := follow(tracker, "k", 0, s.counter, 0, s.offset).String(); got != s.want {
				t.Errorf("%s: record %d (counter %d, offset %d): got %q, want %q", name, i, s.counter, s.offset, got, s.want)
			}
		}
	}
}

// Without this, whoever moves a record could make genuine ones look wrong.
func TestTrackerSeparatesPartitions(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	for i, c := range []struct {
		dataKey   string
		sealedFor int32
		counter   uint64
		foundIn   int32
		offset    int64
		want      string
	}{
		{"k", 0, 0, 0, 10, "none"},
		{"k", 1, 0, 1, 10, "none"},
		{"l", 0, 0, 0, 11, "none"},
		{"k", 0, 50, 1, 11, "moved from partition 0"},
		{"k", 0, 50, 1, 12, "repeat of offset 11, moved from partition 0"},
		{"k", 0, 1, 0, 12, "none"},
		{"k", 0, 50, 0, 13, "48 missing before it"},
	} {
		if got := follow(tracker, c.dataKey, c.sealedFor, c.counter, c.foundIn, c.offset).String(); got != c.want {
			t.Errorf("record %d: got %q, want %q", i, got, c.want)
		}
	}
}

// Without this, foreign records would be flagged for counters that they do not have.
func TestTrackerIgnoresForeignRecords(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	for _, c := range []struct {
		format envelope.Format
		bound  bool
		want   string
	}{
		{envelope.FormatRSA, false, "none"},
		{envelope.FormatJWE, false, "not bound to a topic"},
		{envelope.FormatJWE, true, "none"},
	} {
		for offset := range int64(2) {
			if got := mustFollow(tracker, &envelope.Message{Format: c.format, Bound: c.bound}, replay.Position{Offset: offset}).String(); got != c.want {
				t.Errorf("%s, bound %t: got %q, want %q", c.format, c.bound, got, c.want)
			}
		}
	}
}

// Without this, a writer of many gaps would fill the reader's memory, or a very late
// record would be called a repeat.
func TestTrackerForgetsOldGaps(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	for i := range uint64(1000) {
		if got := follow(tracker, "k", 0, 2*i, 0, int64(i)); i > 0 && got.Missing != 1 {
			t.Fatalf("counter %d: %v", 2*i, got)
		}
	}
	for i, s := range []step{{1, 5000, "late"}, {1997, 5001, "late"}, {1998, 5002, "repeat of offset 999"}, {1996, 5003, "repeat of offset 998"}} {
		if got := follow(tracker, "k", 0, s.counter, 0, s.offset).String(); got != s.want {
			t.Errorf("record %d, counter %d: got %q, want %q", i, s.counter, got, s.want)
		}
	}
}

// Without this, the highest counters would overflow, or many missing ones would cost time.
func TestTrackerTakesAnyCounter(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	last := ^uint64(0)
	for i, s := range []step{{0, 1, "none"}, {last, 2, fmt.Sprintf("%d missing before it", last-1)}, {last, 3, "repeat of offset 2"}, {last - 1, 4, "late"}, {1, 5, "late"}, {0, 6, "repeat of offset 1"}} {
		if got := follow(tracker, "k", 0, s.counter, 0, s.offset).String(); got != s.want {
			t.Errorf("record %d: got %q, want %q", i, got, s.want)
		}
	}
}

// Without this, a tracker that several partitions share would break.
func TestTrackerIsSafeForConcurrentUse(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	var partitions sync.WaitGroup
	for p := range int32(4) {
		partitions.Go(func() {
			for i := range int64(1000) {
				if got := follow(tracker, "k", p, uint64(i), p, i); got.Repeat || got.Missing > 0 {
					t.Errorf("partition %d, offset %d: %v", p, i, got)
					return
				}
			}
		})
	}
	partitions.Wait()
}
