package envelope

import "time"

// SetClock gives the sealer another clock, so that a test need not wait.
func (s *Sealer) SetClock(clock func() time.Time) { s.clock = clock }
