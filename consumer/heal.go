package consumer

import (
	"cmp"
	"crypto/rsa"
	"fmt"
	"slices"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

// healing opens records of the feed with new keys.
type healing struct {
	reader *reader
	next   *opening
	tried  map[*web.Record]opened
}

// useKeys opens with these keys from now on, and first what the feed holds.
//
// What follows from a counter is true only if the records before it were
// followed first. So the new keys are tried on the records held before anything
// new is read with them: without holding anybody up at first, and then, on the
// few that came meanwhile, while no batch is being read. Records that take part
// in no such order, those of the format rsa and JWEs of others, come last: each
// of them costs a private-key operation.
func (r *reader) useKeys(keys []*rsa.PrivateKey) error {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: r.trusted})
	if err := opener.SetKeys(keys...); err != nil {
		return fmt.Errorf("using released keys: %w", err)
	}
	h := &healing{reader: r, next: newOpening(opener, r.metrics.decrypt, r.opening.Load().standIn), tried: make(map[*web.Record]opened)}
	const most = 5 // rounds; a writer could send what is slow to try without end
	for round := 0; round < most && h.try() > healed; round++ {
	}
	h.change()
	h.rest()
	return nil
}

// healed is how many records are tried before the result is shown.
const healed = 64

// try opens the counted records that were not tried yet, and says how many.
func (h *healing) try() int {
	var fresh []*web.Record
	for _, r := range h.reader.feed.Held() {
		if _, known := h.tried[r]; !known && locked(r) && counted(r) {
			fresh = append(fresh, r)
		}
	}
	for i, o := range h.next.again(fresh) {
		h.tried[fresh[i]] = o
	}
	return len(fresh)
}

// change is the moment from which on everything is opened with the new keys.
func (h *healing) change() {
	r := h.reader
	r.gate.Lock()
	defer r.gate.Unlock()
	h.try()
	var before []*web.Record
	for _, record := range r.feed.Held() {
		if _, tried := h.tried[record]; tried {
			before = append(before, record)
		}
	}
	slices.SortFunc(before, func(a, b *web.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	after := make([]opened, len(before))
	for i, record := range before {
		after[i] = h.tried[record]
	}
	r.partitions.follow(after)
	h.publish(before, after)
	r.opening.Store(h.next)
}

// rest opens the others, the newest first: they are what is being looked at.
func (h *healing) rest() {
	var others []*web.Record
	for _, r := range slices.Backward(h.reader.feed.Held()) {
		if locked(r) && !counted(r) {
			others = append(others, r)
		}
	}
	loose := envelope.NewTracker(1) // there is no counter to follow; it tells what is not bound to a topic
	for part := range slices.Chunk(others, healed) {
		after := h.next.again(part)
		for _, o := range after {
			o.flag(loose)
		}
		h.publish(part, after)
	}
}

// publish shows those for which the new keys make a difference.
func (h *healing) publish(before []*web.Record, after []opened) {
	records := make([]*web.Record, len(after))
	for i, o := range after {
		if o.record.State != before[i].State || !slices.Equal(o.record.Holds, before[i].Holds) {
			records[i] = o.record
		}
	}
	h.reader.feed.Replace(before, records)
	h.reader.metrics.opened(after)
}

// locked reports whether another key could make a difference to the record.
func locked(r *web.Record) bool {
	return r.State == web.StateNoKey || r.State == web.StateUnknownKey || r.State == web.StateUndecryptable
}

// counted reports whether the record says that it has a counter. Whether that is
// true shows when it is opened.
func counted(r *web.Record) bool {
	if r.Format == string(envelope.FormatRSA) {
		return false
	}
	_, err := envelope.Describe(r.Wire)
	return err == nil
}
