package console

import "context"

// attackQueue starts the attacks that the console is asked for, one at a time. An attack outlives the request for it.
type attackQueue chan string

// start starts an attack. It is false while another one runs.
func (q attackQueue) start(name string) bool {
	select {
	case q <- name:
		return true
	default:
		return false
	}
}

// serve does the attacks until ctx ends. What becomes of them is the demo's to tell.
func (q attackQueue) serve(ctx context.Context, demo Demo) {
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-q:
			_, _ = demo.Attack(ctx, name) //nolint:errcheck // Attacked tells it
		}
	}
}
