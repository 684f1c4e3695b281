package producer

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// message is one text to seal.
type message struct {
	number  uint64 // counts from 1
	text    []byte // nil if tooLong
	key     []byte // the record's key, in the clear; nil if it has none
	line    []byte // holds text and key; nil if the message is not a line
	size    int    // bytes of the line
	more    bool   // the next line can be read without waiting
	tooLong bool
	err     error // why it cannot be sent
}

// generate yields "Msg 1: …", "Msg 2: …" at the configured pace, until COUNT is reached, yield returns false, or ctx ends.
func (c Config) generate(ctx context.Context, jitter func(by float64) float64, yield func(message) bool) {
	for n := uint64(0); ; {
		size, over, rest := c.burst(jitter)
		for range size {
			if n++; !yield(message{number: n, text: append([]byte(prefix(n)), c.Message...), key: c.key()}) || n == c.Count {
				return
			}
			if !sleep(ctx, over/time.Duration(size)) {
				return
			}
		}
		if !sleep(ctx, rest) {
			return
		}
	}
}

// burst draws the number of messages in the next burst, its duration, and the rest after it.
func (p Pace) burst(jitter func(by float64) float64) (size int, over, rest time.Duration) {
	seconds := func(mean, deviation float64) time.Duration {
		return time.Duration(max(0, mean+jitter(deviation)) * float64(time.Second))
	}
	size = max(1, int(math.Round(p.Rate+jitter(p.RateDeviation))))
	return size, seconds(p.SendDuration, p.SendDurationDeviation), seconds(p.RestDuration, p.RestDurationDeviation)
}

// jitter returns a random number between -by and by.
func jitter(by float64) float64 {
	return (2*rand.Float64() - 1) * by //nolint:gosec // the pace needs no secrecy
}

// sleep waits for d. It returns false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
