package consumer

import (
	"slices"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// waiting is what is known of a partition's records that wait for their headers. The records themselves are in the feed,
// whose limits hold for them. Guarded by the sequence's mu.
type waiting struct {
	any    bool      // there are some in the feed
	tried  uint64    // what HeadersLearned was when they were tried last
	asks   bool      // some came after the latest search for headers
	again  time.Time // when the next search may begin
	sought int64     // the searches have read from here to the sequence's start; 0 if nothing is left to read
}

// add notes records that wait. The headers up to learned were known when they were tried.
func (w *waiting) add(learned uint64) {
	if !w.any {
		w.tried = learned
	}
	w.any, w.asks, w.tried = true, w.asks || w.sought > 0, min(w.tried, learned)
}

// askAgain has the records that wait looked for, as far as there is something left to read.
func (w *waiting) askAgain() { w.asks = w.asks || w.any && w.sought > 0 }

// openWaiting decrypts the records of a partition that wait for their headers, as far as headers have come since it was
// called last. The records that brought the headers are followed after them, or a gap would show that there is not. It
// costs a look at the number of headers if none came, and then a look-up for each record that waits. The caller holds
// keysMu and s.mu.
func (p *pipeline) openWaiting(s *sequence) {
	opener := p.decryptor.opener.Load()
	learned := opener.HeadersLearned()
	if !s.waiting.any || s.waiting.tried == learned {
		return
	}
	s.waiting.tried = learned
	all := p.waitingRecords(s)
	var before []*feed.Record
	for _, r := range all {
		if opener.HeaderOf(r.Stored) != "" {
			before = append(before, r)
		}
	}
	s.waiting.any = len(before) < len(all)
	after := p.decryptor.decryptCopies(opener, before)
	tracker := p.sequences.tracker()
	for i := range after {
		if after[i].record.State == feed.StateNeedsHeader { // forgotten again, meanwhile
			s.waiting.add(learned)
		}
		if after[i].record.Offset < s.followedFrom {
			after[i].check(tracker) // followAgain sets the other flags
		} else {
			after[i].follow(tracker)
		}
	}
	separate(after, p.feed.IsJunk)
	p.showAgain(before, after)
	p.refreshUnknownKeys(after)
}

// waitingRecords returns the records of a partition that wait for their headers, in order. The caller holds keysMu.
func (p *pipeline) waitingRecords(s *sequence) (records []*feed.Record) {
	for _, r := range p.feed.Records() {
		if r.State == feed.StateNeedsHeader && r.Partition == s.partition && r.TopicID == p.sequences.topic {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, compareOffsets)
	return records
}

// noteWaiting notes a new record if it waits, before it is shown. If all earlier records were looked through, its header is
// not there. The caller holds s.mu. The headers up to learned were known when the record was tried.
func (s *sequence) noteWaiting(r *feed.Record, learned uint64) {
	if r.State == feed.StateNeedsHeader {
		s.waiting.add(learned)
		r.HeaderMissing = s.waiting.sought == 0
	}
}

// namesOf returns the names of the headers that lean records need, each once.
func namesOf[R any](records []R, value func(R) []byte) []envelope.HeaderName {
	var names []envelope.HeaderName
	seen := make(map[envelope.HeaderName]bool)
	for _, r := range records {
		if name, lean := envelope.LeanName(value(r)); lean && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func storedOf(r *feed.Record) []byte { return r.Stored }
