package envelope

// Remembered is how many prefixes the opener remembers.
func (o *Opener) Remembered() int {
	seen := &o.ring.Load().outcomes
	seen.mu.Lock()
	defer seen.mu.Unlock()
	return len(*seen.young.Load()) + len(seen.old)
}

// Spare waits for the data key that was begun ahead of need, and gives its
// prefix; nil if none was.
func (s *Sealer) Spare() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spare == nil {
		return nil
	}
	made := <-s.spare
	s.spare <- made
	return made.key.prefix
}
