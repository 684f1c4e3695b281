package reader

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"kafka-e2ee/envelope"
)

// searchDelay is the least time between two searches if reading fails.
const searchDelay = time.Second

// partition is what a reader knows of a partition that it reads.
type partition struct {
	start int64     // headers from this offset on have been read, or are lost
	ended bool      // no search will find another header
	err   error     // why, or why the last search failed
	next  time.Time // of the next search
	left  limits
}

// limits are how much may still be read back. Whoever writes records can cause any number of
// searches, each of which goes on where the one before found what it looked for.
type limits struct{ records, bytes int }

const (
	maxRecords = 1 << 18
	maxBytes   = 256 << 20
)

func (l limits) reached() bool { return l.records <= 0 || l.bytes <= 0 }

// count takes the values from the limits as they are read.
func (l *limits) count(values iter.Seq2[[]byte, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for value, err := range values {
			l.records, l.bytes = l.records-1, l.bytes-len(value)
			if !yield(value, err) {
				return
			}
		}
	}
}

// begin tells the tracker where reading a partition begins.
func (r *Reader) begin(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.partitions[rec.Partition] == nil {
		r.partitions[rec.Partition] = &partition{start: rec.Offset, left: limits{maxRecords, maxBytes}}
		r.tracker.FollowFrom(rec.Partition, rec.Offset)
	}
}

// Revoked tells the reader that it does not read a partition for now, because another
// member of its consumer group may. Call it for each partition that a rebalance takes
// away or that was lost. Without it, the records that the other member reads look missing.
func (r *Reader) Revoked(id int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.partitions, id) // so that the next record begins it again
}

// openWaiting opens the lean records of a batch again: their headers may have come in later
// records of the batch, or are looked for before the first record that was read. There is one
// search for all records of a partition that still wait. Each earlier record is read once.
func (r *Reader) openWaiting(records []Record, results []Result) {
	names := make(map[int32][]envelope.HeaderName)
	for i, rec := range records {
		if !errors.Is(results[i].Err, envelope.ErrNeedsHeader) {
			continue
		}
		r.open(rec, &results[i])
		if needs, still := errors.AsType[*envelope.NeedsHeaderError](results[i].Err); still {
			names[rec.Partition] = append(names[rec.Partition], needs.Name)
		}
	}
	failed := make(map[int32]error)
	for id, names := range names {
		failed[id] = r.search(id, names)
	}
	for i, rec := range records {
		if !errors.Is(results[i].Err, envelope.ErrNeedsHeader) {
			continue
		}
		r.open(rec, &results[i])
		if err := failed[rec.Partition]; err != nil && errors.Is(results[i].Err, envelope.ErrNeedsHeader) {
			results[i].Err = fmt.Errorf("%w: %w", results[i].Err, err)
		}
	}
}

// search looks for headers before the offsets that have been read.
func (r *Reader) search(id int32, names []envelope.HeaderName) error {
	start, left, may, err := r.beginSearch(id)
	if !may {
		return err
	}
	window := struct{ from, to int64 }{start, start} // the last one
	err = r.opener.FindHeaders(envelope.HeaderSearch{
		Topic: r.topic, Names: names, Offset: start, MaxRecords: left.records, MaxBytes: left.bytes,
		Read: func(from, to int64) iter.Seq2[[]byte, error] {
			window.from, window.to = from, to
			return left.count(r.readBack(id, from, to))
		},
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.partitions[id]
	if p == nil { // revoked meanwhile
		return err
	}
	p.left = left
	switch {
	case errors.Is(err, envelope.ErrHeaderLost), errors.Is(err, envelope.ErrHeaderFar):
		p.ended, p.err = true, err
	case err == nil, errors.Is(err, envelope.ErrUndecryptable), errors.Is(err, envelope.ErrMalformed):
		if p.start = min(p.start, window.from); left.reached() {
			p.ended, p.err = true, envelope.ErrHeaderFar
		}
	default:
		p.start, p.next, p.err = min(p.start, window.to), time.Now().Add(searchDelay), err
	}
	return err
}

// beginSearch reports whether the reader may read back in a partition now, and from where. If
// not, the error tells why, if it has read back there before.
func (r *Reader) beginSearch(id int32) (start int64, left limits, may bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.partitions[id]
	switch {
	case r.readBack == nil || p == nil:
		return 0, left, false, nil
	case p.ended || time.Now().Before(p.next):
		return 0, left, false, p.err
	}
	return p.start, p.left, true, nil
}
