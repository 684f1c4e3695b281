package harness

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// samples returns the values of a program's metric by their labels, which are empty for a metric without any.
func samples(t testing.TB, text, name string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		at := strings.LastIndexByte(rest, ' ')
		value, err := strconv.ParseFloat(rest[at+1:], 64)
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		values[rest[:at]] = value
	}
	return values
}

func (p *Pod) samples(name string) map[string]float64 {
	p.T.Helper()
	return samples(p.T, string(p.Get(p.Metrics+"/metrics")), name)
}

// RecordsRead returns how many records the consumer has read.
func (p *Pod) RecordsRead() (total int) {
	p.T.Helper()
	for _, n := range p.samples("e2ee_consumer_records_total") {
		total += int(n)
	}
	return total
}

var stateLabel = regexp.MustCompile(`state="(\w+)"`)

// RecordsByState counts the records by the state in which they were first shown. States without a record are left out.
func (p *Pod) RecordsByState() map[string]int {
	p.T.Helper()
	counts := map[string]int{}
	for labels, n := range p.samples("e2ee_consumer_records_total") {
		if n > 0 {
			counts[stateLabel.FindStringSubmatch(labels)[1]] += int(n)
		}
	}
	return counts
}

// CheckCounts fails the test unless the consumer has read exactly these numbers of records, by their first state. If
// the group started again in between, as it does when the machine pauses for long, records since the last commit come
// again and may count twice.
func (p *Pod) CheckCounts(want map[string]int) {
	p.T.Helper()
	got := p.RecordsByState()
	if maps.Equal(got, want) {
		return
	}
	if sessions := strings.Count(p.Log.String(), `"msg":"reading"`); sessions > 1 {
		p.T.Logf("the group started %d times", sessions)
		enough := len(got) == len(want)
		for state, n := range want {
			enough = enough && got[state] >= n
		}
		if enough {
			return
		}
	}
	p.T.Errorf("records by state: got %v, want %v", got, want)
}

// HeadersMissing returns how many records the consumer has looked for the header of, and not found it.
func (p *Pod) HeadersMissing() (total int) {
	p.T.Helper()
	for _, n := range p.samples("e2ee_consumer_headers_missing_total") {
		total += int(n)
	}
	return total
}

// ProcessorSeconds returns the processor time that the consumer has used.
func (p *Pod) ProcessorSeconds() float64 {
	p.T.Helper()
	seconds, ok := p.samples("process_cpu_seconds_total")[""]
	if !ok {
		p.T.Fatal("the metrics lack process_cpu_seconds_total")
	}
	return seconds
}

// Lag returns how many records the consumer still has to read, or -1 if it does not know.
func (p *Pod) Lag() int {
	p.T.Helper()
	lag := -1
	for _, n := range p.samples("e2ee_consumer_lag_records") {
		lag = max(lag, 0) + int(n)
	}
	return lag
}

// ResourceTolerance is how much each of a program's figures may vary without a leak.
var ResourceTolerance = map[string]float64{
	"process_resident_memory_bytes": 48 << 20,
	"go_goroutines":                 40,
	"process_open_fds":              20,
}

// ResourceUse reads the figures that ResourceTolerance names from a program's metrics.
func ResourceUse(t testing.TB, url string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	Eventually(t, url+" answers", func() bool {
		text := string(new(Pod).Get(url))
		for name := range ResourceTolerance {
			if value, ok := samples(t, text, name)[""]; ok {
				values[name] = value
			}
		}
		return len(values) > 0
	})
	if len(values) != len(ResourceTolerance) {
		t.Fatalf("%s has only %v", url, values)
	}
	return values
}

// ResidentMemory returns what a process holds, in KiB; 0 on systems without /proc.
func ResidentMemory(t testing.TB, pid int) int { return memory(t, pid, "VmRSS") }

// PeakMemory returns the most that a process has held, in KiB; 0 on systems without /proc.
func PeakMemory(t testing.TB, pid int) int { return memory(t, pid, "VmHWM") }

func memory(t testing.TB, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // proc_pid_status(5)
	if err != nil {
		t.Logf("memory is not measured here: %v", err)
		return 0
	}
	_, rest, held := strings.Cut(string(text), "\n"+name+":")
	if !held { // the process has ended, and nobody has waited for it yet
		t.Logf("memory is not measured any more: process %d has ended", pid)
		return 0
	}
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return kib
}
