package consumer

import (
	"sync"

	"kafka-e2ee/web"
)

// share is what this member of the group reads of the topic, and how far it is behind.
type share struct {
	mu         sync.Mutex
	all        int             // partitions of the topic
	leaderless int             // of them, those that nobody can read now
	lag        map[int32]int64 // records, by partition held
}

// begin notes what a session starts with.
func (s *share) begin(held []int32, all, leaderless int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.leaderless, s.lag = max(all, len(held)), leaderless, make(map[int32]int64, len(held))
	for _, partition := range held {
		s.lag[partition] = 0
	}
}

// end notes that nothing is read any more.
func (s *share) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.leaderless, s.lag = 0, 0, nil
}

func (s *share) behind(partition int32, records int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.lag[partition]; held {
		s.lag[partition] = max(records, 0)
	}
}

func (s *share) now() web.Share {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := web.Share{Held: len(s.lag), All: s.all, Leaderless: s.leaderless}
	for _, records := range s.lag {
		now.Lag += records
	}
	return now
}

// kafkaStatus is what the page shows of Kafka.
func (r *reader) kafkaStatus() web.KafkaStatus {
	status := *r.status.Load()
	status.Share = r.share.now()
	return status
}
