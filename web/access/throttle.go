package access

import (
	"hash/maphash"
	"sync"
	"time"
)

const throttleSlots = 4096

// Wrong passwords.
const (
	freeFailures = 10
	failureFades = 6 * time.Second
)

// Requests without sign-in. Viewers behind one address, such as a load balancer's, share the limit.
const (
	freeRequests = 128
	requestFades = 100 * time.Millisecond
)

// throttle limits something, such as wrong passwords, for each key, an address or a name: some are free, and each is
// forgotten after a while. Its table has a fixed size: keys that share a slot
// share a limit, and nobody can fill the table or push others out of it.
type throttle struct {
	free  float64       // in a row before one has to wait
	fades time.Duration // until one is forgotten
	seed  maphash.Seed
	now   func() time.Time

	mu    sync.Mutex
	slots [throttleSlots]counted
}

// counted is how many are not forgotten yet.
type counted struct {
	count float64
	at    time.Time
}

func newThrottle(free float64, fades time.Duration) *throttle {
	return &throttle{free: free, fades: fades, seed: maphash.MakeSeed(), now: time.Now}
}

// slot returns the count of a key, as of now.
func (t *throttle) slot(key string, now time.Time) *counted {
	f := &t.slots[maphash.String(t.seed, key)%throttleSlots]
	// Time's monotonic clock does not go back when the wall clock is set. If it ever does, nobody waits longer for it.
	f.count = max(0, f.count-float64(max(0, now.Sub(f.at)))/float64(t.fades))
	f.at = now
	return f
}

// wait returns how long to wait until the next one is allowed; 0 means now.
func (t *throttle) wait(keys ...string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	for _, key := range keys {
		over := t.slot(key, t.now()).count - (t.free - 1)
		longest = max(longest, time.Duration(over*float64(t.fades)))
	}
	return longest
}

// count counts one.
func (t *throttle) count(keys ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		t.slot(key, t.now()).count++
	}
}
