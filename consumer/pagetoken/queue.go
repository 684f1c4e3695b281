package pagetoken

import (
	"slices"
	"sync"

	"kafka-e2ee/skrclient/attested"
)

// waiter is a request that waits for a token with its nonce.
type waiter struct {
	nonce   string // bound to its connection
	network string // of the viewer
	answer  chan result
	dropped chan struct{} // closed if another network's nonce took its place
}

func newWaiter(nonce, network string) *waiter {
	return &waiter{nonce, network, make(chan result, 1), make(chan struct{})}
}

// queue holds the requests for the next attestation, at most [attested.MaxNonces].
type queue struct {
	mu      sync.Mutex
	waiting []*waiter
}

// add adds a request. If the queue is full, it drops the newest request of the network that has most, so that no network
// shuts out others; ok is false if the request's own network has as many.
func (q *queue) add(w *waiter) (ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= attested.MaxNonces && !q.dropFor(w.network) {
		return false
	}
	q.waiting = append(q.waiting, w)
	return true
}

func (q *queue) dropFor(network string) bool {
	count, most := make(map[string]int), ""
	for _, w := range q.waiting {
		if count[w.network]++; count[w.network] > count[most] {
			most = w.network
		}
	}
	if count[most] <= count[network]+1 {
		return false
	}
	for i, w := range slices.Backward(q.waiting) {
		if w.network == most {
			close(w.dropped)
			q.waiting = slices.Delete(q.waiting, i, i+1)
			break
		}
	}
	return true
}

// remove removes a request that no longer waits.
func (q *queue) remove(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(other *waiter) bool { return other == w })
}

// take empties the queue.
func (q *queue) take() []*waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = nil
	return taken
}
