package feed

import (
	"slices"
	"time"
)

// Appended records get seqs that are far apart, and the first one's is far above zero. So older records that are loaded
// later find free seqs between any two records and before all of them.
const (
	seqGap   = 1 << 20 // between two appended records
	seqFront = 1 << 28 // gaps before the first record
)

func seqOf(rev uint64) uint64 { return (seqFront + rev) * seqGap }

// Backfill publishes records that are older than the held ones of their partitions. The records of each partition must
// be in the order of their offsets. Their timestamps determine their positions. If the feed is full, the oldest records
// are dropped, possibly some of the new ones, and the oldest junk if there is too much. It returns the new records
// that remain.
func (f *Feed) Backfill(records ...*Record) []*Record {
	if len(records) == 0 { // the usual case for records as they arrive
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	reused := make(map[*Record]bool)
	records = slices.DeleteFunc(slices.Clone(records), func(r *Record) bool {
		var held bool
		held, reused[r] = f.supersede(r)
		return held
	})
	if len(records) == 0 {
		return nil
	}
	fresh := f.insert(records)
	for _, e := range fresh {
		e.reused = reused[e.record]
		f.index.add(e)
		f.account(e.record, 1)
	}
	f.trim()
	kept := records[:0]
	for _, e := range fresh {
		if f.index.at(e.record.Position()) != e {
			continue
		}
		f.rev++
		e.rev = f.rev
		f.counts.add(e.record, 1)
		kept = append(kept, e.record)
	}
	f.Changed()
	return kept
}

// partition is the scope in which offsets give an order.
type partition struct {
	topic  string
	id     [16]byte
	number int32
}

func partitionOf(r *Record) partition { return partition{r.Topic, r.TopicID, r.Partition} }

// positioned is a record and the time that decides its place.
type positioned struct {
	*Record
	at time.Time
}

// insert inserts records among the entries, and returns their entries.
func (f *Feed) insert(records []*Record) []*entry {
	times := f.times()
	older := f.assignTimes(records, times)
	held := make(map[partition]int) // entries of each partition that must stay above
	for _, e := range f.entries {
		held[partitionOf(e.record)]++
	}
	above := func(d positioned, at int) bool { return d.at.After(times[at]) && held[partitionOf(d.Record)] == 0 }
	fresh := make([]*entry, 0, len(older))
	all := make([]*entry, 0, len(f.entries)+len(older)) // newest first
	ceiling := seqOf(f.rev) + seqGap                    // the seq of the entry above, or of the next one to be appended
	for at := len(f.entries) - 1; len(older) > 0 || at >= 0; at-- {
		below, n, widest := uint64(0), len(older), uint64(seqGap)
		if at >= 0 {
			below, widest = f.entries[at].seq, seqGap/256 // later calls bring older records, which go below these
			for n = 0; n < len(older) && above(older[len(older)-1-n], at); n++ {
			}
		}
		step := min((ceiling-below)/uint64(n+1), widest)
		for ; n > 0 && step > 0; n-- { // if no seq is free, they go below the next entry
			ceiling -= step
			e := &entry{record: older[len(older)-1].Record, seq: ceiling}
			all, fresh, older = append(all, e), append(fresh, e), older[:len(older)-1]
		}
		if at < 0 {
			break // no seq is free before all entries: that takes 2^28 records
		}
		all = append(all, f.entries[at])
		held[partitionOf(f.entries[at].record)]--
		ceiling = below
	}
	slices.Reverse(all)
	slices.Reverse(fresh)
	f.entries = all
	return fresh
}

// times returns the times of the entries. An entry without a date has the time of the one before it.
func (f *Feed) times() []time.Time {
	times := make([]time.Time, len(f.entries))
	for i, e := range f.entries {
		times[i] = dateOf(e.record)
		if times[i].IsZero() && i > 0 {
			times[i] = times[i-1]
		}
	}
	return times
}

// dateOf returns a record's time, the zero time if it is not a date.
func dateOf(r *Record) time.Time {
	if !r.HasDate() {
		return time.Time{}
	}
	return r.Timestamp
}

// assignTimes sorts records by time, oldest first, but never above a later record of their partition: writers choose the times,
// not the order.
func (f *Feed) assignTimes(records []*Record, times []time.Time) []positioned {
	list := make([]positioned, len(records))
	last := make(map[partition]time.Time)
	for i, r := range records {
		list[i] = positioned{r, dateOf(r)}
		if list[i].at.IsZero() {
			list[i].at = last[partitionOf(r)]
		}
		last[partitionOf(r)] = list[i].at
	}
	first := make(map[partition]time.Time) // the earliest time of the later records
	limit := func(in partition, at time.Time) time.Time {
		if later, known := first[in]; known && (at.IsZero() || later.Before(at)) {
			return later
		}
		first[in] = at
		return at
	}
	for i, e := range f.entries {
		if !times[i].IsZero() {
			limit(partitionOf(e.record), times[i])
		}
	}
	for i := range slices.Backward(list) {
		list[i].at = limit(partitionOf(list[i].Record), list[i].at)
	}
	slices.SortStableFunc(list, func(a, b positioned) int { return a.at.Compare(b.at) })
	return list
}

// Oldest returns the time of the oldest record if the feed is full: it has no room for older ones.
func (f *Feed) Oldest() (at time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.entries) < f.maximum && f.bytes < MaxBytes || len(f.entries) == 0 {
		return at, false
	}
	return dateOf(f.entries[0].record), true
}
