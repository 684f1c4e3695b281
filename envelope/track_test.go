package envelope_test

import (
	"fmt"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
)

// step is a record that a tracker follows: counter and offset.
type step struct {
	counter uint64
	offset  int64
	want    string
}

func follow(tracker *envelope.Tracker, dataKey string, sealedFor int32, counter uint64, foundIn int32, offset int64) envelope.Flags {
	return tracker.Follow(envelope.Message{
		Format: envelope.FormatEnvelope, DataKey: dataKey, Partition: sealedFor, Counter: counter, Counted: true, Bound: true,
	}, foundIn, offset)
}

// Without this a replay would not show, or a record that is true would be
// suspected.
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
		tracker := envelope.NewTracker(10)
		for i, s := range steps {
			if got := follow(tracker, "k", 0, s.counter, 0, s.offset).String(); got != s.want {
				t.Errorf("%s: record %d (counter %d, offset %d): got %q, want %q", name, i, s.counter, s.offset, got, s.want)
			}
		}
	}
}

// Without this whoever moved a record could make the true ones look wrong.
func TestTrackerKeepsPlacesApart(t *testing.T) {
	tracker := envelope.NewTracker(10)
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

// Without this a record of others would be suspected for counters that it does
// not have.
func TestTrackerLeavesOthersAlone(t *testing.T) {
	tracker := envelope.NewTracker(10)
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
			if got := tracker.Follow(envelope.Message{Format: c.format, Bound: c.bound}, 0, offset).String(); got != c.want {
				t.Errorf("%s, bound %t: got %q, want %q", c.format, c.bound, got, c.want)
			}
		}
	}
}

// Without this whoever can seal records would fill the reader's memory.
func TestTrackerForgetsTheOldest(t *testing.T) {
	tracker := envelope.NewTracker(2)
	follow(tracker, "a", 0, 0, 0, 1)
	follow(tracker, "b", 0, 0, 0, 2)
	follow(tracker, "a", 0, 1, 0, 3) // used again
	follow(tracker, "c", 0, 0, 0, 4) // pushes out b
	if got := follow(tracker, "a", 0, 1, 0, 5).String(); got != "repeat of offset 3" {
		t.Errorf("the one used last was forgotten: %s", got)
	}
	if got := follow(tracker, "b", 0, 9, 0, 6).String(); got != "none" {
		t.Errorf("the oldest was kept: %s", got)
	}
	one := envelope.NewTracker(0)
	follow(one, "a", 0, 0, 0, 1)
	if got := follow(one, "a", 0, 0, 0, 2); !got.Repeat {
		t.Error("a tracker of size 0 follows nothing")
	}
}

// Without this a writer of many gaps would fill the reader's memory, or a late
// record from long ago would be called a repeat, which it may not be.
func TestTrackerForgetsOldGaps(t *testing.T) {
	tracker := envelope.NewTracker(1)
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

// Without this counters near their end would overflow, or many missing ones
// cost time.
func TestTrackerTakesAnyCounter(t *testing.T) {
	tracker := envelope.NewTracker(1)
	last := ^uint64(0)
	for i, s := range []step{{0, 1, "none"}, {last, 2, fmt.Sprintf("%d missing before it", last-1)}, {last, 3, "repeat of offset 2"}, {last - 1, 4, "late"}, {1, 5, "late"}, {0, 6, "repeat of offset 1"}} {
		if got := follow(tracker, "k", 0, s.counter, 0, s.offset).String(); got != s.want {
			t.Errorf("record %d: got %q, want %q", i, got, s.want)
		}
	}
}

// Without this a tracker that several partitions share would break.
func TestTrackerIsSafeForConcurrentUse(t *testing.T) {
	tracker := envelope.NewTracker(3)
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

// FuzzTracker compares with a reader that never forgets.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 1, 2, 2, 9, 5, 5, 0})
	f.Fuzz(func(t *testing.T, counters []byte) {
		tracker := envelope.NewTracker(1)
		first := make(map[byte]int64)
		for offset, counter := range counters {
			if offset > 200 {
				return
			}
			got := follow(tracker, "k", 0, uint64(counter), 0, int64(offset))
			at, seen := first[counter]
			if got.Repeat != seen || seen && got.First != at {
				t.Fatalf("counter %d at offset %d: %v, but it was seen: %t, at %d", counter, offset, got, seen, at)
			}
			if !seen {
				first[counter] = int64(offset)
			}
		}
	})
}
