package envelope

// Remembered is how many prefixes the opener remembers.
func (o *Opener) Remembered() int {
	seen := &o.ring.Load().outcomes
	seen.mu.Lock()
	defer seen.mu.Unlock()
	return len(*seen.young.Load()) + len(seen.old)
}
