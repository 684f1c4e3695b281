package producer

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// message is one text to seal. Its number counts from 1; a line that is too long has lost its text.
type message struct {
	number  uint64
	text    []byte
	tooLong bool
}

// numbered yields "Msg 1: …", "Msg 2: …" at the configured pace until COUNT is reached, yield says no, or ctx ends.
func (c Config) numbered(ctx context.Context, clock clock, yield func(message) bool) {
	for n := uint64(0); ; {
		size, over, rest := c.burst(clock.vary)
		for range size {
			if n++; !yield(message{number: n, text: append([]byte(prefix(n)), c.Message...)}) || n == c.Count {
				return
			}
			if !clock.sleep(ctx, over/time.Duration(size)) {
				return
			}
		}
		if !clock.sleep(ctx, rest) {
			return
		}
	}
}

// burst draws the next burst: how many messages, over which time, and the rest after them.
func (p Pace) burst(vary func(by float64) float64) (size int, over, rest time.Duration) {
	seconds := func(mean, deviation float64) time.Duration {
		return time.Duration(max(0, mean+vary(deviation)) * float64(time.Second))
	}
	size = max(1, int(math.Round(p.Rate+vary(p.RateDeviation))))
	return size, seconds(p.SendDuration, p.SendDurationDeviation), seconds(p.RestDuration, p.RestDurationDeviation)
}

// clock is time and chance, so that a test can hold both still.
type clock struct {
	sleep func(ctx context.Context, d time.Duration) bool // false when ctx ended
	vary  func(by float64) float64                        // even between -by and by
}

func realClock() clock {
	return clock{
		sleep: func(ctx context.Context, d time.Duration) bool {
			if d <= 0 {
				return ctx.Err() == nil
			}
			select {
			case <-ctx.Done():
				return false
			case <-time.After(d):
				return true
			}
		},
		vary: func(by float64) float64 { return (2*rand.Float64() - 1) * by }, //nolint:gosec // the pace needs no secrecy
	}
}
