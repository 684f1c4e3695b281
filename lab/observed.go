package lab

import (
	"maps"
	"slices"
	"sync"

	"kafka-e2ee/lab/console"
)

// keptObservations is how many attacks are known by the records that they wrote.
const keptObservations = 200

// observed keeps what became of the attacks. An outcome belongs to the format under which it was seen: pods that require
// something else later may show the same records in another way.
type observed struct {
	mu     sync.Mutex
	newest map[string]map[string]console.Observation // by attack and format
	recent []console.Observation                     // whose records are in the topic, the oldest first
}

func newObserved() *observed {
	return &observed{newest: make(map[string]map[string]console.Observation)}
}

func (s *observed) add(o console.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest[o.Attack] == nil {
		s.newest[o.Attack] = make(map[string]console.Observation)
	}
	s.newest[o.Attack][o.Format] = o
	s.recent = append(s.recent, o)
	s.recent = slices.Delete(s.recent, 0, max(0, len(s.recent)-keptObservations))
}

// forget forgets all positions: the topic was deleted, and the one that is created next uses them again.
func (s *observed) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = nil
}

// AttackedAt returns what was observed of the last attack that wrote, changed or withheld the record at a position.
func (d *demo) AttackedAt(at console.Position) (console.Observation, bool) {
	d.observed.mu.Lock()
	defer d.observed.mu.Unlock()
	for _, o := range slices.Backward(d.observed.recent) {
		if o.Concerns(at) {
			return o, true
		}
	}
	return console.Observation{}, false
}

// Scoreboard returns what was observed last of each attack in this run, by attack and format.
func (d *demo) Scoreboard() map[string]map[string]console.Observation {
	d.observed.mu.Lock()
	defer d.observed.mu.Unlock()
	board := make(map[string]map[string]console.Observation)
	for attack, byFormat := range d.observed.newest {
		board[attack] = maps.Clone(byFormat)
	}
	return board
}
