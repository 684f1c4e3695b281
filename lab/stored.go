package lab

import (
	"sync"
	"time"

	"kafka-e2ee/lab/console"
)

// storedBytes bounds the plaintext that the demo keeps to show beside the records.
const storedBytes = 8 << 20

// entryBytes is what an entry takes beside its text, in bytes.
const entryBytes = 128

// stored keeps what the producers encrypted for the newest records, by position.
type stored struct {
	limit int

	mu    sync.Mutex
	size  int
	texts map[place]string
	order []place // the oldest first
	typed console.Typed
}

type place struct {
	partition int32
	offset    int64
}

func newStored(limit int) *stored { return &stored{limit: limit, texts: make(map[place]string)} }

// add takes a message that Kafka has stored.
func (s *stored) add(partition int32, offset int64, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(place{partition, offset}, string(text))
}

// addTyped takes a message that a person typed.
func (s *stored) addTyped(partition int32, offset int64, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(place{partition, offset}, string(text))
	s.typed = console.Typed{Partition: partition, Offset: offset, Text: string(text), At: time.Now()}
}

// forget forgets all messages: the topic was deleted, and the one that is created next uses its positions again.
func (s *stored) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.texts)
	s.order, s.size, s.typed = nil, 0, console.Typed{}
}

// put needs the lock.
func (s *stored) put(at place, text string) {
	if before, known := s.texts[at]; known {
		s.size -= len(before)
	} else {
		s.order, s.size = append(s.order, at), s.size+entryBytes
	}
	s.texts[at], s.size = text, s.size+len(text)
	for s.size > s.limit && len(s.order) > 1 {
		oldest := s.order[0]
		s.size -= len(s.texts[oldest]) + entryBytes
		delete(s.texts, oldest)
		s.order = s.order[1:]
	}
}

// Sent returns what a producer encrypted for the record at a position.
func (d *demo) Sent(partition int32, offset int64) (string, bool) {
	d.stored.mu.Lock()
	defer d.stored.mu.Unlock()
	text, ok := d.stored.texts[place{partition, offset}]
	return text, ok
}

// Typed returns the newest message that a person typed.
func (d *demo) Typed() (console.Typed, bool) {
	d.stored.mu.Lock()
	defer d.stored.mu.Unlock()
	return d.stored.typed, !d.stored.typed.At.IsZero()
}
