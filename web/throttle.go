package web

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	freeFailures  = 10              // wrong passwords in a row that cost nothing but themselves
	failureFades  = 6 * time.Second // after which one of them is forgotten
	throttleSlots = 4096
)

// throttle bounds wrong passwords, for each client's address and for each name. It is a table of fixed size: two that
// fall into one slot share a limit, and nobody can fill it up or push others out.
type throttle struct {
	seed maphash.Seed
	now  func() time.Time

	mu    sync.Mutex
	slots [throttleSlots]failures
}

// failures are those that are not forgotten yet.
type failures struct {
	count float64
	at    time.Time
}

func newThrottle() *throttle { return &throttle{seed: maphash.MakeSeed(), now: time.Now} }

// slot brings one up to date.
func (t *throttle) slot(key string, now time.Time) *failures {
	f := &t.slots[maphash.String(t.seed, key)%throttleSlots]
	f.count = max(0, f.count-float64(now.Sub(f.at))/float64(failureFades))
	f.at = now
	return f
}

// wait is how long until a password may be tried; 0 means now.
func (t *throttle) wait(keys ...string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	for _, key := range keys {
		over := t.slot(key, t.now()).count - (freeFailures - 1)
		longest = max(longest, time.Duration(over*float64(failureFades)))
	}
	return longest
}

// failed counts a wrong password.
func (t *throttle) failed(keys ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		t.slot(key, t.now()).count++
	}
}
