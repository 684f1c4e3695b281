package producer

import (
	"container/list"
	"sync"
	"time"
)

// inFlightList holds the records without a result from Kafka, the oldest first. It is a linked list, because Kafka
// acknowledges records in any order.
type inFlightList struct {
	mu           sync.Mutex
	records      list.List // of *pooledMessage
	waitingSince time.Time // when the record that has no partition yet began to wait for one; zero if none does
	earliest     time.Time // no record expires before; zero if none does
}

func (l *inFlightList) add(m *pooledMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.acceptedAt, m.inFlight = time.Now(), l.records.PushBack(m)
}

// remove removes a record that is in the list.
func (l *inFlightList) remove(m *pooledMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records.Remove(m.inFlight)
}

// setExpiry stores when a record in the list expires.
func (l *inFlightList) setExpiry(m *pooledMessage, expires time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.expires = expires
	l.earliest = earlier(l.earliest, expires)
}

// earlier returns the earlier of two times; one that is zero does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expired reports whether a record has expired. By the wall clock: others stop while the machine sleeps.
func (l *inFlightList) expired(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.earliest.IsZero() || now.Before(l.earliest) {
		return false
	}
	l.earliest = time.Time{} // it may have been that of a record that was removed
	for _, m := range l.all() {
		l.earliest = earlier(l.earliest, m.expires)
	}
	return !l.earliest.IsZero() && !now.Before(l.earliest)
}

// takeBack returns the records that were handed to sarama, in order. As sarama holds none of them any more, none expires.
func (l *inFlightList) takeBack() []*pooledMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.earliest = time.Time{}
	var handed []*pooledMessage
	for _, m := range l.all() {
		if m.handed {
			m.expires, handed = time.Time{}, append(handed, m)
		}
	}
	return handed
}

// all is called with mu held.
func (l *inFlightList) all() []*pooledMessage {
	all := make([]*pooledMessage, 0, l.records.Len())
	for e := l.records.Front(); e != nil; e = e.Next() {
		m, _ := e.Value.(*pooledMessage) //nolint:errcheck // add adds nothing else
		all = append(all, m)
	}
	return all
}

// waitForPartition marks a record as waiting for its partition until the returned function is called.
func (l *inFlightList) waitForPartition() (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waitingSince = time.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waitingSince = time.Time{}
	}
}

// oldest returns the age of the oldest record, 0 if there is none.
func (l *inFlightList) oldest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.waitingSince
	if first := l.records.Front(); first != nil { // it is older than the one that waits for a partition
		m, _ := first.Value.(*pooledMessage) //nolint:errcheck // add adds nothing else
		since = m.acceptedAt
	}
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}
