package consumer

import (
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/web/feed"
)

// follow sets the flags of a decrypted record. It rejects the record if fresh ones are required and it is stale. The
// tracker must know the records before it.
func (r *result) follow(tracker *replay.Tracker) {
	if r.isFollowed() {
		r.apply(tracker.Follow(&r.msg, r.position()))
	}
}

// check is follow for a record whose place among the others is not known: it sets only the flags that do not depend on
// them.
func (r *result) check(tracker *replay.Tracker) {
	if r.isFollowed() {
		r.apply(tracker.Check(&r.msg, r.position()))
	}
}

// isFollowed reports whether the record was decrypted. A stale one is followed again, too, so that it does not count as
// missing.
func (r *result) isFollowed() bool {
	return r.record.State == feed.StateDecrypted || r.record.Rejection.Reason == feed.RejectStale
}

func (r *result) position() replay.Position {
	return replay.Position{Partition: r.record.Partition, Offset: r.record.Offset, AppendedAfter: r.record.AppendedAfter}
}

func (r *result) apply(flags replay.Flags, err error) {
	r.record.Flags = flagsOf(flags)
	if err != nil && r.record.State == feed.StateDecrypted {
		reject(r.record, err)
	}
}
