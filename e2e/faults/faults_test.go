package faults_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

var everyFault = flag.Bool("faults", false, "inject every fault, and rewrite docs/reliability.md")

// fault is one failure that is injected while records flow, and its repair.
type fault struct {
	name       string
	quick      bool // part of every test run
	onCluster  bool // on three brokers, not the embedded one
	secured    bool // on a secured broker
	repeatable bool // part of the soak test
	before     func(*setup)
	inject     func(*setup)
	hold       time.Duration // at least, before the repair
	repair     func(*setup)  // nil if nothing needs to be done
	reports    string        // what /readyz must report meanwhile; empty: anything
}

// outcome is the result for the records.
type outcome struct {
	fault               string
	acknowledged, lost  int
	refused             int // by Kafka, and the producer said so
	duplicates, flagged int
	delay               time.Duration // the longest time of a record from the producer's input to the page
	recovery            time.Duration // from the end of the fault until every record so far was on the page
	reported            string
}

// Without this an ordinary fault of Kafka or of the sidecar could lose messages, or require somebody to restart a program.
func TestFaults(t *testing.T) {
	var shared *realkafka.Cluster
	var outcomes []outcome
	for _, f := range faults {
		if !f.quick && !*everyFault {
			continue
		}
		if f.onCluster && shared == nil {
			shared = realkafka.StartCluster(t)
		}
		t.Run(f.name, func(t *testing.T) {
			var c harness.Cluster
			switch {
			case f.onCluster:
				c = shared
			case f.secured:
				c = realkafka.StartSecured(t)
			default:
				c = harness.Broker(t, partitions)
			}
			o := f.run(t, newSetup(t, c))
			outcomes = append(outcomes, o)
			t.Logf("%+v", o)
			if *everyFault && !t.Failed() {
				writeSection(t, "faults", faultsTable(t, outcomes))
			}
		})
	}
}

// settledRecords is how many records must flow before a fault and after it.
const settledRecords = 100

func (f fault) run(t *testing.T, s *setup) outcome {
	if f.before != nil {
		f.before(s)
	} else {
		s.consumeTwice()
	}
	s.produce()
	s.feed()
	if f.before == nil {
		s.waitShown()
	} else {
		harness.Eventually(t, "records are shown", func() bool { return s.ledger.records() >= settledRecords })
	}

	f.inject(s)
	begun, to := time.Now(), int(s.next.Load())
	if f.reports != "" {
		harness.Eventually(t, "the consumer reports "+f.reports, func() bool { return s.ledger.hasReported(f.reports) })
	}
	time.Sleep(f.hold - time.Since(begun))
	if f.repair != nil {
		f.repair(s)
		begun, to = time.Now(), int(s.next.Load())
	}
	s.waitShown()
	o := s.finish(t, f.name)
	o.recovery = max(s.ledger.last(to).Sub(begun), 0)
	return o
}

// finish lets the producer send what it has, waits until every record is shown, and counts.
func (s *setup) finish(t testing.TB, name string) outcome {
	t.Helper()
	s.stopFeeding()
	s.closeInput()
	o := outcome{fault: name, refused: s.ended(s.producers[len(s.producers)-1])}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the topic holds %d records; never shown: messages %v", storedRecords(s.cluster, s.topic), s.neverShown())
		}
	})
	harness.Eventually(t, "every record of the topic is shown, and each that was acknowledged", func() bool {
		there := storedRecords(s.cluster, s.topic) // may be fewer than were acknowledged: a broker that rejoins knows less
		o.acknowledged, o.lost = s.lost()
		return there > 0 && s.ledger.decrypted() >= there && o.lost == 0
	})
	o.duplicates, o.flagged = s.ledger.verify(t, o.refused > 0)
	o.reported, o.delay = s.ledger.reportedStates(), s.longest()
	if o.acknowledged == 0 {
		t.Error("Kafka acknowledged no record")
	}
	if o.duplicates > o.flagged && !s.sealedAgain { // what is sealed again is another record, so no reader can tell
		t.Errorf("%d of %d duplicates are not flagged", o.duplicates-o.flagged, o.duplicates)
	}
	for _, m := range s.consumers {
		if m.alive() {
			m.Wait("nothing is missing", func() bool { return string(m.Get(m.Metrics+"/readyz")) == "{\"ready\":true,\"missing\":[]}\n" })
		}
	}
	return o
}

// longest returns the longest time of a record from the producer's input to a page.
func (s *setup) longest() (longest time.Duration) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for number, shown := range s.ledger.firstShown {
		if fed, ok := s.fedAt.Load(number); ok {
			if at, ok := fed.(time.Time); ok {
				longest = max(longest, shown.Sub(at))
			}
		}
	}
	return longest
}

// faultsTable has one row for each fault. A fault that was not injected keeps its old row, so one row can be measured
// again: -run 'TestFaults/A_broker_restarts'.
func faultsTable(t testing.TB, outcomes []outcome) string {
	text := "| Fault | Acknowledged | Lost | Duplicates | Highest latency | Recovered after | `/readyz` said |\n|---|---:|---:|---:|---:|---:|---|\n"
	old := harness.ReadSection(t, reliability, "faults")
	for _, f := range faults {
		row := "| " + f.name + " | not measured | | | | | |\n"
		for line := range strings.Lines(old) {
			if strings.HasPrefix(line, "| "+f.name+" |") {
				row = line
			}
		}
		for _, o := range outcomes {
			if o.fault == f.name {
				row = o.row()
			}
		}
		text += row
	}
	return text
}

func (o outcome) row() string {
	said := o.reported
	if said == "" {
		said = "nothing is missing"
	}
	acknowledged := fmt.Sprint(o.acknowledged)
	if o.refused > 0 {
		acknowledged += fmt.Sprintf(" (%d refused)", o.refused)
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %.1f s | %.1f s | %s |\n", o.fault, acknowledged, o.lost, o.duplicates, o.delay.Seconds(), o.recovery.Seconds(), said)
}

const reliability = "docs/reliability.md"
