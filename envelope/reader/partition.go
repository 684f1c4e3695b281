package reader

import (
	"errors"
	"fmt"
	"iter"

	"kafka-e2ee/envelope"
)

// maxSearches is how often a reader reads back in a partition after it began to read it.
// Whoever writes records can make up names of headers.
const maxSearches = 16

// partition is what a reader knows of a partition that it reads.
type partition struct {
	start    int64 // the first offset read; headers behind it have been read in order
	searches int   // that are left
}

// begin tells the tracker where reading a partition begins.
func (r *Reader) begin(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.partitions[rec.Partition] == nil {
		r.partitions[rec.Partition] = &partition{start: rec.Offset, searches: maxSearches}
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

// openWaiting opens a lean record again: its header may have come in a later record of the
// batch, or is looked for before the first record that was read.
func (r *Reader) openWaiting(rec Record, result *Result) {
	r.open(rec, result)
	needs, still := errors.AsType[*envelope.NeedsHeaderError](result.Err)
	if !still {
		return
	}
	start, may := r.search(rec.Partition)
	if !may {
		return
	}
	err := r.opener.FindHeaders(envelope.HeaderSearch{
		Topic: r.topic, Names: []envelope.HeaderName{needs.Name}, Offset: start,
		Read: func(from, to int64) iter.Seq2[[]byte, error] { return r.readBack(rec.Partition, from, to) },
	})
	if errors.Is(err, envelope.ErrHeaderLost) || errors.Is(err, envelope.ErrHeaderFar) {
		r.endSearches(rec.Partition) // all that stands before is known now
	}
	r.open(rec, result)
	if err != nil && errors.Is(result.Err, envelope.ErrNeedsHeader) {
		result.Err = fmt.Errorf("%w: %w", result.Err, err)
	}
}

// search reports whether the reader may read back in a partition, and from where.
func (r *Reader) search(id int32) (start int64, may bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.partitions[id]
	if r.readBack == nil || p == nil || p.searches == 0 {
		return 0, false
	}
	p.searches--
	return p.start, true
}

func (r *Reader) endSearches(id int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.partitions[id]; p != nil {
		p.searches = 0
	}
}
