package e2e_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var everyFault = flag.Bool("faults", false, "let every fault happen, for as long as it is told, and write docs/reliability.md anew")

// fault is something that happens while records flow, and how it ends.
type fault struct {
	name    string
	quick   bool // part of every test run
	real    bool // on three brokers; else on the embedded one
	secured bool // on one that is secured
	upset   bool // can happen at any time, again and again
	before  func(*stage)
	inject  func(*stage)
	hold    time.Duration // at least, before it is healed
	heal    func(*stage)  // nil where nothing needs to be done
	says    string        // what the page must say is missing meanwhile; empty: that is left open
}

// outcome is what became of the records.
type outcome struct {
	fault               string
	acknowledged, lost  int
	refused             int // and the producer said so
	duplicates, flagged int
	delay               time.Duration // the longest way of a record from the producer's input to the page
	recovery            time.Duration // from the end of the fault until every record so far was on the page
	said                string
}

// Without this a fault that every Kafka has some day would lose messages, or
// need somebody who restarts what did not come back by itself.
func TestFaults(t *testing.T) {
	var shared *brokers
	var outcomes []outcome
	for _, f := range faults {
		if !f.quick && !*everyFault {
			continue
		}
		if f.real && shared == nil {
			shared = startBrokers(t)
		}
		t.Run(f.name, func(t *testing.T) {
			var c cluster
			switch {
			case f.real:
				c = shared
			case f.secured:
				c = startSecuredKafka(t)
			default:
				c = broker(t, partitions)
			}
			o := f.happen(t, newStage(t, c))
			outcomes = append(outcomes, o)
			t.Logf("%+v", o)
			if *everyFault && !t.Failed() {
				writeFigures(t, reliability, "faults", faultsTable(t, outcomes))
			}
		})
	}
}

// settled is how many records must flow before a fault, and after it.
const settled = 100

func (f fault) happen(t *testing.T, s *stage) outcome {
	if f.before != nil {
		f.before(s)
	} else {
		s.pair()
	}
	s.produce()
	s.feed()
	if f.before == nil {
		s.reach()
	} else {
		until(t, "records are shown", func() bool { return s.tally.records() >= settled })
	}

	f.inject(s)
	begun, to := time.Now(), int(s.next.Load())
	if f.says != "" {
		until(t, "the page says "+f.says, func() bool { return s.tally.heard(f.says) })
	}
	time.Sleep(f.hold - time.Since(begun))
	if f.heal != nil {
		f.heal(s)
		begun, to = time.Now(), int(s.next.Load())
	}
	s.reach()
	o := s.finish(t, f.name)
	o.recovery = max(s.tally.last(to).Sub(begun), 0)
	return o
}

// finish lets both programs come to an end with what they have, and counts.
func (s *stage) finish(t testing.TB, name string) outcome {
	t.Helper()
	s.quiet()
	s.closeInput()
	o := outcome{fault: name, refused: s.ended(s.producers[len(s.producers)-1])}
	until(t, "every record of the topic is shown", func() bool {
		there := held(s.cluster, s.topic)
		return there > 0 && s.tally.records() >= there
	})
	for _, b := range s.producers {
		n := b.acknowledged()
		o.acknowledged += n
		o.lost += max(n-s.tally.shown(b.from, b.to), 0)
	}
	o.duplicates, o.flagged = s.tally.check(t, o.refused > 0)
	o.said, o.delay = s.tally.states(), s.longest()
	if o.lost > 0 || o.acknowledged == 0 {
		t.Errorf("%d of %d records are lost", o.lost, o.acknowledged)
	}
	if o.duplicates > o.flagged {
		t.Errorf("%d of %d duplicates are not flagged", o.duplicates-o.flagged, o.duplicates)
	}
	for _, m := range s.consumers {
		if m.alive() {
			m.wait("it says that nothing is missing", func() bool { return string(m.get(m.metrics+"/readyz")) == "{\"ready\":true,\"missing\":[]}\n" })
		}
	}
	return o
}

// longest is the longest way of a record from the producer's input to a page.
func (s *stage) longest() (longest time.Duration) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	for number, shown := range s.tally.first {
		if fed, ok := s.fed.Load(number); ok {
			if at, ok := fed.(time.Time); ok {
				longest = max(longest, shown.Sub(at))
			}
		}
	}
	return longest
}

// faultsTable has one row a fault. What did not happen now keeps its old one, so
// that one row can be had anew: -run 'TestFaults/A_broker_restarts'.
func faultsTable(t testing.TB, outcomes []outcome) string {
	text := "| Fault | Acknowledged | Lost | Duplicates | Longest way | Recovered after | `/readyz` said |\n|---|---:|---:|---:|---:|---:|---|\n"
	old := readFigures(t, reliability, "faults")
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
	said := o.said
	if said == "" {
		said = "nothing is missing"
	}
	acknowledged := fmt.Sprint(o.acknowledged)
	if o.refused > 0 {
		acknowledged += fmt.Sprintf(" (%d refused)", o.refused)
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %.1f s | %.1f s | %s |\n", o.fault, acknowledged, o.lost, o.duplicates, o.delay.Seconds(), o.recovery.Seconds(), said)
}
