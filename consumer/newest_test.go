package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/web/feed"
)

// Without it the history of a topic with large records would exceed the pod's memory.
func TestNewestIsBounded(t *testing.T) {
	byCount, bySize := newest{maxCount: 10, maxBytes: feed.MaxBytes}, newest{maxCount: 1000, maxBytes: feed.MaxBytes}
	empty := make([]*sarama.RecordHeader, 50_000) // 100 KB in Kafka
	for n := range empty {
		empty[n] = new(sarama.RecordHeader)
	}
	hostile, most := newest{maxCount: 1000, maxBytes: feed.MaxBytes}, 0
	for i := range 70 {
		m := &sarama.ConsumerMessage{Offset: int64(i), Value: make([]byte, 1<<20)}
		byCount.add(m)
		bySize.add(m)
		hostile.add(&sarama.ConsumerMessage{Offset: int64(i), Headers: empty})
		most = max(most, hostile.bytes, bySize.bytes)
	}
	if most > 2*feed.MaxBytes {
		t.Errorf("kept %d bytes", most)
	}
	byCount.trim()
	bySize.trim()
	if got := len(byCount.messages); got != 10 || byCount.messages[0].Offset != 60 {
		t.Errorf("kept %d messages", got)
	}
	if got := len(bySize.messages); got != feed.MaxBytes/fetchlimit.MessageSize(bySize.messages[0]) || bySize.messages[0].Offset != 70-int64(got) {
		t.Errorf("kept %d messages of a MiB each", got)
	}
}

// Without it the history after a restart would be that of the partition that was read first or last, or have holes.
func TestNewestIsSharedByPartitions(t *testing.T) {
	n := newest{maxCount: 10, maxBytes: feed.MaxBytes}
	for partition, every := range []int{3, 1} { // a message each third second, and each second
		for offset := range 30 / every {
			n.add(&sarama.ConsumerMessage{Partition: int32(partition), Offset: int64(offset), Timestamp: time.Unix(int64(offset*every), 0)})
		}
	}
	n.trim()
	var got []string
	for _, m := range n.messages {
		got = append(got, fmt.Sprintf("%d/%d", m.Partition, m.Offset))
	}
	if text := strings.Join(got, " "); text != "1/22 1/23 0/8 1/24 1/25 1/26 0/9 1/27 1/28 1/29" {
		t.Errorf("kept %s", text)
	}
}

// Without it a few records would keep whole fetch responses in memory.
func TestNewestKeepsCopies(t *testing.T) {
	response := []byte("key value header")
	r := newest{maxCount: 1, maxBytes: 1000}
	r.add(&sarama.ConsumerMessage{Key: response[:3], Value: response[4:9], Headers: []*sarama.RecordHeader{{Key: response[10:12], Value: response[12:]}, {Key: response[10:], Value: nil}}})
	clear(response)
	m := r.messages[0]
	if string(m.Key) != "key" || string(m.Value) != "value" || string(m.Headers[0].Key) != "he" || string(m.Headers[0].Value) != "ader" || m.Headers[1].Value != nil {
		t.Errorf("got %q, %q", m.Key, m.Value)
	}
}

// Without it writers' clocks would cause false alarms about gaps.
func TestSortByTimeKeepsOffsetsInOrder(t *testing.T) {
	at := func(partition int32, offset int64, second int) *sarama.ConsumerMessage {
		return &sarama.ConsumerMessage{Partition: partition, Offset: offset, Timestamp: time.Unix(int64(second), 0)}
	}
	all := []*sarama.ConsumerMessage{at(1, 0, 7), at(1, 1, 15), at(1, 2, 30), at(0, 0, 10), at(0, 1, 5), at(0, 2, 20)}
	sortByTime(all)
	var got []string
	for _, m := range all {
		got = append(got, fmt.Sprintf("%d/%d", m.Partition, m.Offset))
	}
	if text := strings.Join(got, " "); text != "0/0 0/1 1/0 1/1 0/2 1/2" {
		t.Errorf("got %s", text)
	}
}

// Without it one record with a timestamp in microseconds would displace the newest records of other partitions from the
// history after a restart.
func TestSortByTimeIgnoresInvalidTimestamps(t *testing.T) {
	at := func(partition int32, times ...int64) (all []*sarama.ConsumerMessage) {
		for i, ms := range times {
			m := &sarama.ConsumerMessage{Partition: partition, Offset: int64(i)}
			if ms >= 0 {
				m.Timestamp = time.UnixMilli(ms)
			}
			all = append(all, m)
		}
		return all
	}
	const micros = 1_764_400_000_123_456
	var got []int32
	all := append(at(0, 10, micros, 30, -1, 50), at(1, 20, 40, 60)...)
	sortByTime(all)
	for _, m := range all {
		got = append(got, m.Partition)
	}
	if want := []int32{0, 0, 1, 0, 0, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("the partitions follow as %v, want %v", got, want)
	}
}
