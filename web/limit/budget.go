// Package limit bounds the memory and the time that answers to slow clients take.
//
// An answer takes memory until its client has received it, and clients can be slow. So all answers share a [Budget],
// and a [Writer] drops clients that receive too slowly.
package limit

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// maxWaiting is how many callers may wait for a budget: each has a request in memory.
const maxWaiting = 128

// Budget is a number of bytes that many users share.
type Budget struct {
	total   int64
	free    *semaphore.Weighted
	wait    time.Duration
	waiting chan struct{}
}

// NewBudget makes a budget of total bytes. Reserve waits at most for wait.
func NewBudget(total int64, wait time.Duration) *Budget {
	return &Budget{total, semaphore.NewWeighted(total), wait, make(chan struct{}, maxWaiting)}
}

// Reserved is a reserved part of a budget.
type Reserved struct {
	budget *Budget
	bytes  int64
}

// TryReserve reserves bytes, or the whole budget if that is less. It fails if they are not free.
func (b *Budget) TryReserve(bytes int64) (*Reserved, bool) {
	bytes = min(bytes, b.total)
	if !b.free.TryAcquire(bytes) {
		return nil, false
	}
	return &Reserved{b, bytes}, true
}

// Reserve is like TryReserve, but waits a moment if the bytes are not free. It fails at once if too many are waiting.
func (b *Budget) Reserve(ctx context.Context, bytes int64) (*Reserved, bool) {
	if r, ok := b.TryReserve(bytes); ok {
		return r, true
	}
	select {
	case b.waiting <- struct{}{}:
		defer func() { <-b.waiting }()
	default:
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	bytes = min(bytes, b.total)
	if b.free.Acquire(ctx, bytes) != nil {
		return nil, false
	}
	return &Reserved{b, bytes}, true
}

// Keep gives back all but some bytes.
func (r *Reserved) Keep(bytes int64) {
	if over := r.bytes - max(bytes, 0); over > 0 {
		r.bytes -= over
		r.budget.free.Release(over)
	}
}

// Release gives back all bytes. It may be called again.
func (r *Reserved) Release() { r.Keep(0) }
