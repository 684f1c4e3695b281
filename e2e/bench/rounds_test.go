package bench_test

import (
	"fmt"
	"slices"
	"testing"
)

// measuredRounds is how many rounds count. One more comes first: it warms up the broker's JVM and the file caches.
const measuredRounds = 5

// candidate is one of the programs that a comparison measures.
type candidate struct {
	name    string
	measure func() rate
}

// alternate measures the candidates in rounds. Each round begins with another one, because the order within a round
// moves results by up to a quarter.
func alternate(b *testing.B, candidates ...candidate) map[string]rates {
	b.Helper()
	all := make(map[string]rates)
	for round := range 1 + measuredRounds {
		for i := range candidates {
			c := candidates[(round+i)%len(candidates)]
			r := c.measure()
			if round > 0 {
				all[c.name] = append(all[c.name], r)
			}
		}
	}
	return all
}

// rates are the results of one candidate, a round each.
type rates []rate

// median returns the median of each figure on its own.
func (rs rates) median() rate {
	return rate{
		perSecond: rs.sorted(func(r rate) float64 { return r.perSecond })[len(rs)/2],
		cpuMicros: rs.sorted(func(r rate) float64 { return r.cpuMicros })[len(rs)/2],
		broker:    rs.sorted(func(r rate) float64 { return r.broker })[len(rs)/2],
	}
}

func (rs rates) sorted(figure func(rate) float64) []float64 {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = figure(r)
	}
	slices.Sort(values)
	return values
}

// records returns the median of the records a second, and in parentheses the least and the most.
func (rs rates) records() string {
	sorted := rs.sorted(func(r rate) float64 { return r.perSecond })
	at := func(i int) string { return rate{perSecond: sorted[i]}.records() }
	return fmt.Sprintf("%s (%s–%s)", at(len(sorted)/2), at(0), at(len(sorted)-1))
}
