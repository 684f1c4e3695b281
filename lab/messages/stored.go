package messages

import (
	"crypto/sha256"
	"sync"
	"time"

	"kafka-e2ee/lab/console"
)

// storedBytes bounds the plaintext that the demo keeps to show beside the records.
const storedBytes = 8 << 20

// entryBytes is what an entry takes beside its text, in bytes.
const entryBytes = 384

// Stored keeps what the producers encrypted for the newest records: by position, and by the hash of the record's value, so
// that a copy is known as one. It is bounded in bytes, and forgets the oldest.
type Stored struct {
	limit int

	mu     sync.Mutex
	size   int
	order  []*written // the oldest first
	places map[position]*written
	values map[[sha256.Size]byte]*written
	forgot bool // the oldest were dropped
	typed  console.Typed
}

type position struct {
	partition int32
	offset    int64
}

// written is a message that Kafka has stored.
type written struct {
	position
	text  string
	value [sha256.Size]byte // SHA-256 of the record's value
}

// NewStored returns an empty one, which keeps up to 8 MiB.
func NewStored() *Stored { return newStored(storedBytes) }

func newStored(limit int) *Stored {
	return &Stored{limit: limit, places: make(map[position]*written), values: make(map[[sha256.Size]byte]*written)}
}

// Add takes a message that Kafka has stored, with the value of its record.
func (s *Stored) Add(partition int32, offset int64, text, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(position{partition, offset}, text, value)
}

// AddTyped takes a message that a person typed.
func (s *Stored) AddTyped(partition int32, offset int64, text, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(position{partition, offset}, text, value)
	s.typed = console.Typed{Position: console.Position{Partition: partition, Offset: offset}, Text: string(text), At: time.Now()}
}

// Forget forgets all positions: the topic was deleted, and the one that is created next uses them again. What was written
// is still known by its value.
func (s *Stored) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.places)
	s.typed = console.Typed{}
}

// put needs the lock.
func (s *Stored) put(at position, text, value []byte) {
	w := &written{at, string(text), sha256.Sum256(value)}
	s.order, s.size = append(s.order, w), s.size+len(w.text)+entryBytes
	s.places[at], s.values[w.value] = w, w
	for s.size > s.limit && len(s.order) > 1 {
		s.dropOldest()
	}
}

// dropOldest needs the lock.
func (s *Stored) dropOldest() {
	w := s.order[0]
	s.order, s.size, s.forgot = s.order[1:], s.size-len(w.text)-entryBytes, true
	if s.places[w.position] == w {
		delete(s.places, w.position)
	}
	if s.values[w.value] == w {
		delete(s.values, w.value)
	}
}

// Sent returns what a producer encrypted for the record at a position.
func (s *Stored) Sent(partition int32, offset int64) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.places[position{partition, offset}]
	if !ok {
		return "", false
	}
	return w.text, true
}

// Wrote returns which message a producer stored as a value with that SHA-256, and where.
func (s *Stored) Wrote(value [sha256.Size]byte) (message console.Written, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.values[value]
	if !ok {
		return console.Written{Forgot: s.forgot}, false
	}
	return console.Written{Position: console.Position{Partition: w.partition, Offset: w.offset}, Text: w.text}, true
}

// Typed returns the newest message that a person typed.
func (s *Stored) Typed() (console.Typed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.typed, !s.typed.At.IsZero()
}
