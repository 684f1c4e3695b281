package envelope

import "time"

// SetClock gives the sealer another clock, so that a test need not wait.
func (s *Sealer) SetClock(clock func() time.Time) { s.clock = clock }

// Remembered is how many prefixes the opener remembers.
func (o *Opener) Remembered() int {
	seen := &o.ring.Load().outcomes
	seen.mu.Lock()
	defer seen.mu.Unlock()
	return len(*seen.young.Load()) + len(seen.old)
}
