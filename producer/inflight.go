package producer

import (
	"container/list"
	"sync"
	"time"
)

// inFlightList holds the records without a result from Kafka, the oldest first, in the batches in which they were accepted.
// It is a linked list, because Kafka acknowledges records in any order.
type inFlightList struct {
	mu           sync.Mutex
	batches      list.List // of *sentBatch
	records      int
	waitingSince time.Time // when the record that has no partition yet began to wait for one; zero if none does
	earliest     time.Time // no record expires before; zero if none does
}

// sentBatch holds the records of a batch.
type sentBatch struct {
	records    []*pooledMessage // nil for each that was removed
	left       int              // that were not
	weight     int64            // in the window
	acceptedAt time.Time
	element    *list.Element // of the inFlightList
}

// add adds the records of a batch.
func (l *inFlightList) add(weight int64, records ...*pooledMessage) {
	b := &sentBatch{records: records, left: len(records), weight: weight, acceptedAt: time.Now()}
	for i, m := range records {
		m.batch, m.index = b, i
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.element = l.batches.PushBack(b)
	l.records += len(records)
}

// remove removes a record that is in the list. With the last one of its batch, it returns the batch's weight, otherwise 0.
func (l *inFlightList) remove(m *pooledMessage) (weight int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := m.batch
	b.records[m.index] = nil
	b.left--
	l.records--
	if b.left > 0 {
		return 0
	}
	l.batches.Remove(b.element)
	return b.weight
}

// count returns the number of records.
func (l *inFlightList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}

// sealed stores when records in the list expire.
func (l *inFlightList) sealed(records ...*pooledMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range records {
		m.expires = m.sealed.Expires()
		l.earliest = earlier(l.earliest, m.expires)
	}
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
	all := make([]*pooledMessage, 0, l.records)
	for e := l.batches.Front(); e != nil; e = e.Next() {
		b, _ := e.Value.(*sentBatch) //nolint:errcheck // add adds nothing else
		for _, m := range b.records {
			if m != nil {
				all = append(all, m)
			}
		}
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
	if first := l.batches.Front(); first != nil { // it is older than the one that waits for a partition
		b, _ := first.Value.(*sentBatch) //nolint:errcheck // add adds nothing else
		since = b.acceptedAt
	}
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}
