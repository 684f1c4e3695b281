package skrclient

import (
	"context"
	"errors"
)

// call is one request to a service on loopback.
type call struct {
	method, path string
	body         []byte // overwritten after use
	lowPriority  bool   // another call may interrupt this one, which then starts over
}

// parser reads a response. It must not keep a part of the body, which is overwritten afterwards.
type parser[T any] func(status int, body []byte) (T, *Error)

// preempted is why a call of low priority was interrupted.
type preempted struct{ by <-chan struct{} } // closed when the other call has ended

// Error is never shown: the call starts over.
func (preempted) Error() string { return "another request goes first" }

// send makes the call and parses the response, one call at a time. It interrupts a call of low priority rather than wait
// for it. The error is an *Error or, after ctx has ended, the cause of that.
func send[T any](ctx context.Context, client *loopbackClient, c call, parse parser[T]) (T, error) {
	defer clear(c.body)
	ended := make(chan struct{})
	defer close(ended)
	preempt := client.preempt
	if c.lowPriority {
		preempt = nil // it interrupts nothing
	}
	var before <-chan struct{} // the end of the call that goes first; nil: none does
	for {
		mu := client.mu
		if before != nil {
			mu = nil // otherwise it could win again, and be interrupted again, without end
		}
		select {
		case mu <- struct{}{}:
			result, err := sendLocked(ctx, client, c, parse)
			<-client.mu
			interrupted, ok := errors.AsType[preempted](err)
			if !ok {
				return result, err
			}
			before = interrupted.by
		case <-before:
			before = nil
		case preempt <- ended:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}

func sendLocked[T any](ctx context.Context, client *loopbackClient, c call, parse parser[T]) (T, error) {
	if c.lowPriority {
		interruptible, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			select {
			case by := <-client.preempt:
				cancel(preempted{by})
			case <-interruptible.Done():
			}
		}()
		ctx = interruptible
	}
	limited, cancel := context.WithTimeout(ctx, client.timeout)
	defer cancel()
	status, body, failure := client.roundTrip(limited, c)
	defer clear(body)
	var result, none T
	if failure == nil {
		result, failure = parse(status, body)
	}
	switch {
	case failure == nil:
		return result, nil
	case ctx.Err() != nil:
		return none, context.Cause(ctx)
	default:
		return none, failure
	}
}
