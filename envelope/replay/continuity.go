package replay

// FollowFrom tells the tracker that the reader reads a partition from an offset on: for
// the first time, or after another member of its consumer group has read up to there.
// What stands between the last record followed and the offset counts as unfollowed, not
// as missing. Without it, a partition is followed since its first record that opens,
// which may be later: its key may be missing.
func (t *Tracker) FollowFrom(partition int32, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.partition(partition)
	p.revoked = false
	if !p.started || offset > p.next {
		p.started, p.since = true, t.now()
	}
	if offset > p.next {
		p.addBreak(offset)
		p.next = offset
	}
}

// PartitionRevoked tells the tracker that another member of the consumer group may read
// the partition behind the last record followed. If the next one followed stands further
// behind, the records between count as unfollowed, not as missing. Nothing is forgotten.
func (t *Tracker) PartitionRevoked(partition int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.partitions[partition]; p != nil {
		p.revoked = true
	}
}

// TopicRecreated tells the tracker that the topic was deleted and created again, so that
// offsets start from 0. A record that was seen in the former topic is a repeat.
func (t *Tracker) TopicRecreated() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.partitions {
		p.startTopic()
		for _, w := range p.windows {
			t.count(w)
		}
	}
	t.limitBytes(nil)
}

// Rewind tells the tracker that older records of a partition were loaded. Then follow all
// records from the offset on, also those that were followed before, in order and without
// a break. They get the flags that they would have got in this order. A record that
// repeats one before the offset is still a repeat.
func (t *Tracker) Rewind(partition int32, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.partitions[partition]; p != nil {
		t.endRewind(p)
		p.rewind(offset)
	}
}

func (t *Tracker) endRewind(p *followedPartition) {
	p.rewound = false
	for _, w := range p.windows {
		if w.again != nil {
			w.again = nil
			t.count(w)
		}
	}
}
