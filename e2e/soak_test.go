package e2e_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 0, "how long to let random faults happen; docs/reliability.md is then written anew")

// The figures, and how much of each may come and go without anything being leaked.
var figures = map[string]float64{
	"process_resident_memory_bytes": 48 << 20,
	"go_goroutines":                 40,
	"process_open_fds":              20,
}

// Without this what leaks a little with each fault would end a program after weeks.
func TestSoak(t *testing.T) {
	long := *soak
	if long == 0 {
		long = 20 * time.Second
	}
	var upsets []fault
	for _, f := range faults {
		if f.upset {
			upsets = append(upsets, f)
		}
	}
	s := newStage(t, startBrokers(t))
	// A history that holds what a fault held up: else records could leave a page before they are looked at.
	programs := map[string]string{"consumer 1": s.consume("WEB_HISTORY=10000").metrics, "consumer 2": s.consume("WEB_HISTORY=10000").metrics}
	programs["producer"] = strings.TrimSuffix(s.produce().metrics, "/metrics")
	s.feed()
	s.reach()
	samples := map[string][]float64{}
	happened := 0
	for end := time.Now().Add(long); time.Now().Before(end) || happened == 0; happened++ {
		f := upsets[rand.N(len(upsets))]
		f.inject(s)
		time.Sleep(rand.N(10 * time.Second))
		f.heal(s)
		s.reach()
		for program, address := range programs {
			for figure, value := range measured(t, address+"/metrics") {
				samples[program+" "+figure] = append(samples[program+" "+figure], value)
			}
		}
	}
	o := s.finish(t, "Random faults for "+long.String())
	text := fmt.Sprintf("%s: %d faults, %d records, %d lost, %d duplicates.\n\n| Program | Figure | Middle third | Last third |\n|---|---|---:|---:|\n", o.fault, happened, o.acknowledged, o.lost, o.duplicates)
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		for _, figure := range slices.Sorted(maps.Keys(figures)) {
			values := samples[program+" "+figure]
			// The first third is left out: the histories still fill then.
			third := (len(values) + 2) / 3
			early, late := median(values[(len(values)-third)/2:][:third]), median(values[len(values)-third:])
			text += fmt.Sprintf("| %s | `%s` | %.0f | %.0f |\n", program, figure, early, late)
			if late > early+figures[figure] {
				t.Errorf("%s: %s grows from %.0f to %.0f", program, figure, early, late)
			}
		}
	}
	t.Log(text)
	if *soak > 0 && !t.Failed() {
		writeFigures(t, reliability, "soak", text)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// measured reads the figures of a program.
func measured(t testing.TB, url string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	until(t, url+" answers", func() bool {
		for line := range strings.Lines(string(new(pod).get(url))) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if _, wanted := figures[name]; !wanted {
				continue
			}
			var err error
			if values[name], err = strconv.ParseFloat(value, 64); err != nil {
				t.Fatal(err)
			}
		}
		return len(values) > 0
	})
	if len(values) != len(figures) {
		t.Fatalf("%s tells only %v", url, values)
	}
	return values
}
