package feed

import "time"

// rate counts records in each of the last seconds.
type rate struct {
	counts [rateSeconds + 1]int // by second; the current one does not count yet
	start  time.Time            // of the first second. Time's monotonic clock counts, since the wall clock may be set
	last   int64                // the current second
}

// rateSeconds is the number of seconds that a rate averages.
const rateSeconds = 5

// advance makes now the current second.
func (r *rate) advance(now time.Time) {
	second := int64(now.Sub(r.start) / time.Second)
	if r.start.IsZero() || second < r.last { // the first record, or the clock went back
		*r, second = rate{start: now}, 0
	}
	for i := max(r.last+1, second-rateSeconds); i <= second; i++ {
		r.counts[i%int64(len(r.counts))] = 0
	}
	r.last = second
}

func (r *rate) add(n int, now time.Time) {
	r.advance(now)
	r.counts[r.last%int64(len(r.counts))] += n
}

// perSecond returns the average of the last whole seconds.
func (r *rate) perSecond(now time.Time) float64 {
	r.advance(now)
	sum := -r.counts[r.last%int64(len(r.counts))]
	for _, n := range r.counts {
		sum += n
	}
	return float64(sum) / rateSeconds
}
