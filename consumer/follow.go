package consumer

import (
	"sync"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

// followed is how many data keys are followed in one partition: as many
// producers at once, times the keys that each of them used lately. Each takes
// 7 KiB at most.
const followed = 256

// partitions remembers how far this process has read each partition, and
// follows the counters of its records.
type partitions struct {
	mu  sync.Mutex
	all map[int32]*partition
}

// forget drops what is known of all of them. Nothing may be read meanwhile.
func (p *partitions) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = nil
}

type partition struct {
	next    int64 // the offset after the last record
	tracker *envelope.Tracker
}

func (p *partitions) of(id int32) *partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[int32]*partition)
	}
	if p.all[id] == nil {
		p.all[id] = &partition{tracker: envelope.NewTracker(followed)}
	}
	return p.all[id]
}

// from prepares for reading on at an offset. Records that this process skipped,
// since they were another's to read, are not missing: it starts anew.
func (p *partition) from(offset int64) {
	if offset > p.next {
		p.tracker = envelope.NewTracker(followed)
	}
}

// follow completes records with their flags. They must be in the order of the
// offsets of each partition, and no others of these partitions may be followed
// at the same time.
func (p *partitions) follow(records []opened) {
	var at *partition
	for i, o := range records {
		if i == 0 || o.record.Partition != records[i-1].record.Partition {
			at = p.of(o.record.Partition)
		}
		at.next = max(at.next, o.record.Offset+1)
		o.flag(at.tracker)
	}
}

// flag tells what is remarkable about a record, if it was opened.
func (o opened) flag(tracker *envelope.Tracker) {
	if r := o.record; r.State == web.StateDecrypted {
		r.Flags = flagsOf(tracker.Follow(o.msg, r.Partition, r.Offset))
	}
}
