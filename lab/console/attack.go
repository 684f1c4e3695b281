package console

import (
	"context"
	"sync"
)

// attackRun runs the attacks that the console starts, one at a time, and keeps what became of the last one.
type attackRun struct {
	next chan string // the attack that was started, until it runs

	mu    sync.Mutex
	state attackState
}

// attackState is the last attack that the console started.
type attackState struct {
	name    string // empty: none yet
	running bool
	result  Observation
	failed  error // the attack could not be tried
}

func newAttackRun() *attackRun { return &attackRun{next: make(chan string, 1)} }

// start starts an attack. It is false while another one runs.
func (a *attackRun) start(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.running {
		return false
	}
	a.state = attackState{name: name, running: true}
	a.next <- name
	return true
}

// serve does the attacks until ctx ends.
func (a *attackRun) serve(ctx context.Context, demo Demo) {
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-a.next:
			result, err := demo.Attack(ctx, name)
			a.mu.Lock()
			a.state.running, a.state.result, a.state.failed = false, result, err
			a.mu.Unlock()
		}
	}
}

func (a *attackRun) last() attackState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}
