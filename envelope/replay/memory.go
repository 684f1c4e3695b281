package replay

import "kafka-e2ee/envelope"

// use puts a window into its trust class and place, updates its size, and evicts other
// windows until the limit holds.
func (t *Tracker) use(w *trackedWindow, class trustClass, msg *envelope.Message) {
	order := &w.in.order[class]
	switch {
	case w.element != nil && w.class == class:
		if class == classOthers {
			order.list.MoveToFront(w.element)
		}
	default:
		t.remove(w)
		w.class = class
		// A data key whose sender's clock is wrong must not be the last for ever.
		w.expires = min(msg.Expires.Unix(), t.now()+maxLifetime+clockSkew)
		order.place(w)
	}
	if t.count(w) {
		t.limitBytes(w)
	}
}

// count counts the memory that a window takes now, and reports whether it has changed.
func (t *Tracker) count(w *trackedWindow) (changed bool) {
	grown := w.size() - w.bytes
	w.bytes += grown
	w.in.order[w.class].bytes += grown
	t.bytes[w.class] += grown
	return grown != 0
}

// limitBytes evicts windows other than the one in use until the limit holds: those of
// senders who are not verified, unless those of verified senders take more than three
// quarters of the memory.
func (t *Tracker) limitBytes(used *trackedWindow) {
	for t.bytes[classOthers]+t.bytes[classVerified]+t.issuedBytes > t.maxBytes() {
		var w *trackedWindow
		if t.bytes[classVerified]+t.issuedBytes > t.maxBytes()/4*3 {
			w = t.lastOf(classVerified, used)
		}
		if w == nil {
			w = t.lastOf(classOthers, used)
		}
		if w == nil {
			return
		}
		t.remove(w)
		delete(w.in.windows, w.key)
		w.in.last = nil
		if w.class == classVerified {
			w.in.evicted = max(w.in.evicted, w.expires)
		}
	}
}

// lastOf returns the window of a class to evict first, of the partition that takes the
// most memory, or nil.
func (t *Tracker) lastOf(class trustClass, used *trackedWindow) (last *trackedWindow) {
	most := 0
	for _, p := range t.partitions {
		if order := &p.order[class]; order.bytes > most {
			if w := order.last(used); w != nil {
				last, most = w, order.bytes
			}
		}
	}
	return last
}

// remove takes a window out of its place and its memory out of the counts.
func (t *Tracker) remove(w *trackedWindow) {
	if w.element == nil {
		return
	}
	order := &w.in.order[w.class]
	order.list.Remove(w.element)
	order.bytes -= w.bytes
	t.bytes[w.class] -= w.bytes
	w.bytes, w.element = 0, nil
}

// countTimes counts the memory that issue times take, and forgets the earliest if they
// take more than a quarter of all.
func (t *Tracker) countTimes(times *issueTimes) {
	const fixed, step = 240, 16
	size := fixed + len(times.by.name) + step*cap(times.steps)
	t.issuedBytes += size - times.bytes
	times.bytes = size
	for t.issuedBytes > t.maxBytes()/4 && t.forgetTimes(times) {
	}
}

// forgetTimes forgets the issue times of the sender and partition whose latest data key
// is the earliest, and reports whether there was one.
func (t *Tracker) forgetTimes(used *issueTimes) bool {
	var earliest *issueTimes
	var in *followedPartition
	for _, p := range t.partitions {
		for _, times := range p.issued {
			if times != used && (earliest == nil || times.latest() < earliest.latest()) {
				earliest, in = times, p
			}
		}
	}
	if earliest == nil {
		return false
	}
	delete(in.issued, earliest.by)
	earliest.forgotten = true
	t.issuedBytes -= earliest.bytes
	return true
}
