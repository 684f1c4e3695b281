package web

import "time"

// rate counts what came in each of the last seconds.
type rate struct {
	counts [rateSeconds + 1]int // by second; the one that is under way does not count yet
	last   int64                // the second that is under way
}

// rateSeconds is over how many seconds a rate is averaged.
const rateSeconds = 5

func (r *rate) to(now time.Time) {
	second := now.Unix()
	for i := max(r.last+1, second-rateSeconds); i <= second; i++ {
		r.counts[i%int64(len(r.counts))] = 0
	}
	r.last = max(r.last, second)
}

func (r *rate) add(n int, now time.Time) {
	r.to(now)
	r.counts[r.last%int64(len(r.counts))] += n
}

// perSecond is the average of the last whole seconds.
func (r *rate) perSecond(now time.Time) float64 {
	r.to(now)
	sum := -r.counts[r.last%int64(len(r.counts))]
	for _, n := range r.counts {
		sum += n
	}
	return float64(sum) / rateSeconds
}
