package consumer

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// sequences remember how far this process has read each partition of the topic, and follow the counters and times of its
// records to find replays, gaps and stale records.
type sequences struct {
	config replay.Config

	mu          sync.Mutex
	topic       group.TopicID
	assigned    []int32 // in this session
	byPartition map[int32]*sequence
	shared      *replay.Tracker // of all partitions and topics of this name, so that its bound holds for the process
}

// startSession prepares for reading partitions of a topic, and returns its id. If the topic was recreated, a record that
// was seen in the former one is a repeat. A broker that names no id cannot hide that: the topic then counts as the same.
func (s *sequences) startSession(topic group.TopicID, assigned []int32) group.TopicID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if topic != (group.TopicID{}) && s.topic != topic {
		if s.byPartition != nil {
			s.endTopic()
		}
		s.topic, s.byPartition = topic, nil
	}
	s.assigned = assigned
	return s.topic
}

func (s *sequences) endTopic() {
	for id := range s.byPartition {
		if !slices.Contains(s.assigned, id) { // others may have read it to its end
			s.lockedTracker().PartitionRevoked(id)
		}
	}
	s.lockedTracker().TopicRecreated()
}

// tracker returns the tracker of all partitions.
func (s *sequences) tracker() *replay.Tracker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lockedTracker()
}

func (s *sequences) lockedTracker() *replay.Tracker {
	if s.shared == nil {
		s.shared = replay.NewTracker(s.config)
	}
	return s.shared
}

func (s *sequences) get(partition int32) *sequence {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPartition == nil {
		s.byPartition = make(map[int32]*sequence)
	}
	if s.byPartition[partition] == nil {
		s.byPartition[partition] = &sequence{partition: partition, tracker: s.lockedTracker()}
	}
	return s.byPartition[partition]
}

// known returns the sequences of all partitions that were read, assigned or not.
func (s *sequences) known() []*sequence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.byPartition), func(a, b *sequence) int { return cmp.Compare(a.partition, b.partition) })
}

func (s *sequences) isAssigned(partition int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.assigned, partition)
}

// unseen returns what other members have read of the partitions, and this process has not.
func (s *sequences) unseen() (all []podstatus.Unseen) {
	for _, one := range s.known() {
		one.mu.Lock()
		all = append(all, one.unseen...)
		one.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b podstatus.Unseen) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
	})
	return all
}

// follow sets the flags of records that were decrypted only now. They must be sorted by [compareOffsets], and nothing may
// be read at the same time. A record of a former topic can no longer be followed: it may stand in the new one, too.
func (s *sequences) follow(results []result) {
	tracker := s.tracker()
	for i := range results {
		if results[i].record.TopicID != s.topic {
			results[i].check(tracker)
			results[i].record.Flags.Unfollowed = results[i].msg.Counted && results[i].record.State == feed.StateDecrypted
		} else {
			results[i].follow(tracker)
		}
	}
}

// compareOffsets sorts records by topic, partition and offset.
func compareOffsets(a, b *feed.Record) int {
	return cmp.Or(slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// sequence is what this process has read of one partition. Records are followed and put into the feed under mu, in one
// step.
type sequence struct {
	partition int32
	tracker   *replay.Tracker // shared by all partitions

	mu           sync.Mutex
	started      bool
	start        int64              // everything from here to next was read, here or as history
	next         int64              // the offset behind the last record
	followedFrom int64              // the first offset that was followed in order
	complete     bool               // the history before start is loaded, as far as it fits
	unseen       []podstatus.Unseen // what another member has read before start, the last maxUnseen
	waiting      waiting
}

// maxUnseen bounds the memory of a partition that moves back and forth between members.
const maxUnseen = 16

// resume prepares for reading from an offset. It returns the first offset that was read without a break before it, and
// whether the history before that is loaded. If another member has read in between, the records that it read do not count
// as missing.
func (s *sequence) resume(offset int64) (first int64, complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	offset = max(offset, 0) // negative: nothing was committed
	if !s.started || offset > s.next {
		if s.started {
			s.unseen = append(s.unseen, podstatus.Unseen{Partition: s.partition, From: s.next, To: offset - 1})
			s.unseen = s.unseen[max(len(s.unseen)-maxUnseen, 0):]
		}
		s.tracker.FollowFrom(s.partition, offset)
		s.begin(offset)
	}
	s.extendBack(offset)
	s.waiting.askAgain() // the session that looked for them may have ended before
	return s.start, s.complete
}

func (s *sequence) begin(offset int64) {
	s.started, s.start, s.next, s.followedFrom, s.complete = true, offset, offset, offset, offset == 0
	s.waiting.sought = offset
}

// extendBack notes that everything from an offset on is read.
func (s *sequence) extendBack(offset int64) {
	s.start = min(s.start, offset)
	for last := len(s.unseen) - 1; last >= 0 && s.unseen[last].To >= offset; last-- {
		if s.unseen[last].To = offset - 1; s.unseen[last].From >= offset {
			s.unseen = s.unseen[:last]
		}
	}
}

// readBefore returns how many of the records, which must be in order, were read before. The caller holds mu.
func (s *sequence) readBefore(results []result) int {
	if !s.started {
		return 0
	}
	at, _ := slices.BinarySearchFunc(results, s.next, func(r result, next int64) int { return cmp.Compare(r.record.Offset, next) })
	return at
}

// follow sets the flags of new records of this partition, which must be in order. The caller holds mu.
func (s *sequence) follow(results []result) {
	for i := range results {
		offset := results[i].record.Offset
		if !s.started {
			s.begin(offset)
		}
		s.next = max(s.next, offset+1)
		results[i].follow(s.tracker)
	}
}

// followAgain follows the partition again from the start, if the feed holds records of it that were not followed in order.
// It returns their copies with the new flags; nil for those that do not change. The feed drops the oldest records of a
// partition first, so none is missing between those that it holds. (It drops rejected ones earlier, even stale ones. They
// then count as missing.) The caller holds mu.
func (s *sequence) followAgain(held []*feed.Record, isJunk func(*feed.Record) bool) (after []*feed.Record) {
	after = make([]*feed.Record, len(held))
	first := slices.IndexFunc(held, func(r *feed.Record) bool { return r.Offset >= s.start })
	if first < 0 || held[first].Offset >= s.followedFrom {
		return after
	}
	s.followedFrom = held[first].Offset
	s.tracker.Rewind(s.partition, s.followedFrom)
	results, junk := make([]result, 0, len(held)), false
	for _, r := range held[first:] {
		next := *r
		results = append(results, result{record: &next, msg: messageOf(r)})
		results[len(results)-1].follow(s.tracker)
		junk = junk || isJunk(&next) && !isJunk(r)
	}
	if junk {
		separate(results, isJunk)
	}
	for i, r := range results {
		if before := held[first+i]; junk || r.record.Flags != before.Flags {
			after[first+i] = r.record
		}
	}
	return after
}
