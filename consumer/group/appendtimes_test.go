package group

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
)

// Without it a record that was held back would count as fresh, or, far worse, an honest one as stale.
func TestAppendTimes(t *testing.T) {
	var times appendTimes
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	note := func(seconds int, watermark int64) {
		times.note(fetchlimit.FetchedPartition{Partition: 1, Sent: start.Add(time.Duration(seconds) * time.Second), HighWatermark: watermark})
	}
	expect := func(when string, want map[int64]int) {
		t.Helper()
		for offset, seconds := range want {
			got := times.of(1, offset)
			if seconds < 0 != got.IsZero() || seconds >= 0 && !got.Equal(start.Add(time.Duration(seconds)*time.Second)) {
				t.Errorf("%s: offset %d was appended after %v, want %d s", when, offset, got, seconds)
			}
		}
	}
	expect("at first", map[int64]int{10: -1})
	note(0, 10)
	expect("after a response", map[int64]int{9: -1, 10: 0, 99: 0})
	note(60, 10)
	expect("while nothing comes", map[int64]int{9: -1, 10: 60})
	note(120, 11)
	expect("with a record", map[int64]int{9: -1, 10: 60, 11: 120})
	note(120, 12)
	expect("with one soon after it", map[int64]int{11: 120, 12: 120})
	note(180, -1)
	note(90, 13)
	expect("after useless responses", map[int64]int{12: 120, 13: 120})
	note(240, 5)
	expect("in a recreated topic", map[int64]int{4: -1, 5: 240, 11: 240})
	if !times.of(2, 99).IsZero() {
		t.Error("another partition has a time")
	}
}

// Without it a busy partition would fill the memory, or a record that waits for long would lose its time.
func TestAppendTimesAreBounded(t *testing.T) {
	var times appendTimes
	start := time.Now()
	for second := range int64(10_000) {
		times.note(fetchlimit.FetchedPartition{Sent: start.Add(time.Duration(second) * time.Second), HighWatermark: 100 * second})
		if n := len(times.byPartition[0]); n > maxWatermarks {
			t.Fatalf("%d watermarks are held", n)
		}
	}
	for second := range int64(10_000) {
		if got := times.of(0, 100*second).Sub(start); got < 0 || got > time.Duration(second)*time.Second {
			t.Fatalf("a record of second %d was appended after %v", second, got)
		}
	}
	if got := times.of(0, 100*9_990).Sub(start); got < 9_900*time.Second {
		t.Errorf("a new record was appended after %v", got)
	}
}

// Without it a broker could fill the memory with partitions that nobody has asked for, or a failed request would date
// records.
func TestAppendTimesOfAssignedPartitions(t *testing.T) {
	a, _ := newTestAssignment()
	m := &Member{assignment: a}
	a.startSession([]int32{1}, 2)
	for partition := range int32(1000) {
		m.partitionFetched(fetchlimit.FetchedPartition{Partition: partition, Sent: time.Now(), HighWatermark: 5})
	}
	if len(m.appended.byPartition) != 1 || m.appended.of(1, 5).IsZero() {
		t.Errorf("%d partitions have times", len(m.appended.byPartition))
	}
	m.partitionFetched(fetchlimit.FetchedPartition{Partition: 1, Sent: time.Now(), HighWatermark: 3, Code: sarama.ErrNotLeaderForPartition})
	if !m.appended.of(1, 3).IsZero() {
		t.Error("a failed request dates records")
	}
}
