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

// add adds a batch.
func (l *inFlightList) add(b *sentBatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.acceptedAt, b.left, b.element = time.Now(), len(b.records), l.batches.PushBack(b)
	l.records += b.left
}

// remove removes a record that is in the list. It returns its batch if that was the last one of it, otherwise nil.
func (l *inFlightList) remove(m *sentRecord) *sentBatch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := m.batch
	m.done = true
	b.left--
	l.records--
	if b.left > 0 {
		return nil
	}
	l.batches.Remove(b.element)
	return b
}

// count returns the number of records.
func (l *inFlightList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}

// sealed stores when records in the list expire.
func (l *inFlightList) sealed(records []record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		if r.err == nil {
			r.sent.expires = r.sent.sealed.Expires()
			l.earliest = earlier(l.earliest, r.sent.expires)
		}
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
func (l *inFlightList) takeBack() []*sentRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.earliest = time.Time{}
	var handed []*sentRecord
	for _, m := range l.all() {
		if m.handed {
			m.expires, handed = time.Time{}, append(handed, m)
		}
	}
	return handed
}

// all is called with mu held.
func (l *inFlightList) all() []*sentRecord {
	all := make([]*sentRecord, 0, l.records)
	for e := l.batches.Front(); e != nil; e = e.Next() {
		b, _ := e.Value.(*sentBatch) //nolint:errcheck // add adds nothing else
		for i := range b.records {
			if m := &b.records[i]; !m.done {
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
