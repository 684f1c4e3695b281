package envelope

import (
	"fmt"
	"sync/atomic"
	"time"
)

// clockPrecision is how long a reading of the clock is used.
const clockPrecision = 10 * time.Millisecond

// coarseClock reads the wall clock at most once in 10 ms, because reading it
// for every record would cost a fifth of encrypting it. A timer alone could not limit
// the age of a data key: timers stop while a machine sleeps, and the wall clock does
// not. After a sleep, the clock is read again within 10 ms.
type coarseClock struct {
	now       func() time.Time
	precision time.Duration
	fresh     atomic.Bool // until the timer ends
	timer     *time.Timer // runs only while records are sealed
	reading   time.Time
}

// read returns a time that is at least 1970. The caller holds the sealer's lock.
func (c *coarseClock) read() (time.Time, error) {
	if c.fresh.Load() {
		return c.reading, nil
	}
	now := c.now()
	if unix := now.Unix(); unix < 1 || unix > maxTime-maxLifetime {
		return now, fmt.Errorf("the clock shows the year %d (hint: set the clock)", now.Year())
	}
	c.reading = now
	if c.precision == 0 {
		return c.reading, nil
	}
	c.fresh.Store(true)
	if c.timer == nil {
		c.timer = time.AfterFunc(c.precision, func() { c.fresh.Store(false) })
	} else {
		c.timer.Reset(c.precision)
	}
	return c.reading, nil
}
