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

var errPreempted = errors.New("another request goes first")

// send makes the call and parses the response, one call at a time. It interrupts a call of low priority rather than wait
// for it. The error is an *Error or, after ctx has ended, the cause of that.
func send[T any](ctx context.Context, client *loopbackClient, c call, parse parser[T]) (T, error) {
	defer clear(c.body)
	preempt := client.preempt
	if c.lowPriority {
		preempt = nil // it interrupts nothing
	}
	for {
		select {
		case client.mu <- struct{}{}:
			result, err := sendLocked(ctx, client, c, parse)
			<-client.mu
			if !errors.Is(err, errPreempted) {
				return result, err
			}
		case preempt <- struct{}{}:
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
			case <-client.preempt:
				cancel(errPreempted)
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
