package console

import (
	"context"
	"sync"
)

// attackQueue starts the attacks that the console is asked for, one at a time. While one runs, the one that was asked for
// last is the next. An attack outlives the request for it.
type attackQueue struct {
	asked chan struct{} // holds one signal at most

	mu            sync.Mutex
	running, next string // empty: none
}

func newAttackQueue() *attackQueue { return &attackQueue{asked: make(chan struct{}, 1)} }

// add makes an attack the next one.
func (q *attackQueue) add(name string) {
	q.mu.Lock()
	q.next = name
	q.mu.Unlock()
	select {
	case q.asked <- struct{}{}:
	default:
	}
}

// serve does the attacks until ctx ends. What becomes of them is the demo's to tell.
func (q *attackQueue) serve(ctx context.Context, demo Demo) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.asked:
			for name := q.take(); name != ""; name = q.take() {
				_, _ = demo.Attack(ctx, name) //nolint:errcheck // Attacked tells it
			}
		}
	}
}

// take makes the next attack the running one, and returns it.
func (q *attackQueue) take() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running, q.next = q.next, ""
	return q.running
}

// names returns the attack that was started and the one that is next, each empty if there is none. One that was started
// waits while another one, of the terminal, still runs.
func (q *attackQueue) names() (running, next string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running, q.next
}
