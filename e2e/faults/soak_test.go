package faults_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

var soak = flag.Duration("soak", 0, "how long to inject random faults; docs/reliability.md is then rewritten")

// Without this a small leak with each fault would end a program after weeks.
func TestSoak(t *testing.T) {
	long := *soak
	if long == 0 {
		long = 20 * time.Second
	}
	var upsets []fault
	for _, f := range faults {
		if f.repeatable {
			upsets = append(upsets, f)
		}
	}
	s := newSetup(t, realkafka.StartCluster(t))
	// The history must hold what a fault held up, or records could leave a page before they are read.
	programs := map[string]string{"consumer 1": s.consume("WEB_HISTORY=10000").Metrics, "consumer 2": s.consume("WEB_HISTORY=10000").Metrics}
	programs["producer"] = strings.TrimSuffix(s.produce().metrics, "/metrics")
	// A consumer that gets a partition back loads only its newest records. It has not followed the first one's data key.
	s.ledger.longerThanHistory = long > time.Minute
	s.feed()
	s.waitShown()
	samples := map[string][]float64{}
	happened := 0
	for end := time.Now().Add(long); time.Now().Before(end) || happened == 0; happened++ {
		f := upsets[rand.N(len(upsets))]
		f.inject(s)
		time.Sleep(rand.N(10 * time.Second))
		f.repair(s)
		s.waitShown()
		for program, address := range programs {
			for figure, value := range harness.ResourceUse(t, address+"/metrics") {
				samples[program+" "+figure] = append(samples[program+" "+figure], value)
			}
		}
	}
	o := s.finish(t, "Random faults for "+long.String())
	text := fmt.Sprintf("%s: %d faults, %d records, %d lost, %d duplicates.\n\n| Program | Figure | Middle third | Last third |\n|---|---|---:|---:|\n", o.fault, happened, o.acknowledged, o.lost, o.duplicates)
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		for _, figure := range slices.Sorted(maps.Keys(harness.ResourceTolerance)) {
			values := samples[program+" "+figure]
			// The histories still fill during the first third, so it is left out.
			third := (len(values) + 2) / 3
			early, late := median(values[(len(values)-third)/2:][:third]), median(values[len(values)-third:])
			text += fmt.Sprintf("| %s | `%s` | %.0f | %.0f |\n", program, figure, early, late)
			if late > early+harness.ResourceTolerance[figure] {
				t.Errorf("%s: %s grows from %.0f to %.0f", program, figure, early, late)
			}
		}
	}
	t.Log(text)
	if *soak > 0 && !t.Failed() {
		writeSection(t, "soak", text)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
