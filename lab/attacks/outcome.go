package attacks

import (
	"fmt"
	"slices"
	"strings"

	"kafka-e2ee/lab/podapi"
)

// The states in which a record's content is shown. They are the API's words (docs/api.md).
const (
	stateDecrypted = "decrypted"
	statePlain     = "plain"
)

// decided reports whether the pod has what it needs to decide about a record. If not, the state says nothing of the
// record: any other one would have it, too.
func decided(r podapi.Record) bool {
	return !slices.Contains([]string{"no_key", "unknown_key", "needs_header"}, r.State)
}

// normalFlag is what the pod says of the first records that it reads of a data key. It is no mark.
const normalFlag = "unfollowed"

// finding is what the pod says of one record, compared with a record that nobody attacked.
type finding struct {
	Position
	outcome Outcome
	state   string   // with the reason, if it is rejected
	marks   []string // that the other record does not have
}

// compare judges each record, about which the pod must have decided. What the pod says of a record of the producer, too, is no mark.
func compare(records []podapi.Record, genuine podapi.Record) []finding {
	findings := make([]finding, len(records))
	for i, r := range records {
		f := finding{Position: Position{r.Partition, r.Offset}, outcome: NotNoticed, state: r.State}
		if r.RejectReason != "" {
			f.state += " (" + r.RejectReason + ")"
		}
		switch r.State {
		case stateDecrypted, statePlain:
			f.marks = newMarks(r, genuine)
			if len(f.marks) > 0 {
				f.outcome = Flagged
			}
		default: // the other states show no content
			f.outcome = Refused
		}
		findings[i] = f
	}
	return findings
}

// newMarks returns what the pod says of a record that it shows, and not of the genuine one.
func newMarks(r, genuine podapi.Record) (marks []string) {
	if r.State != genuine.State {
		marks = append(marks, r.State)
	}
	for _, flag := range r.Flags {
		if flag != normalFlag && !slices.Contains(genuine.Flags, flag) {
			marks = append(marks, flag)
		}
	}
	if r.State == genuine.State && r.Sender.State != genuine.Sender.State {
		marks = append(marks, "sender "+r.Sender.State)
	}
	return marks
}

// everyRecord is the outcome of an attack in which each record must be noticed: that of the one that fared worst.
func everyRecord(findings []finding) Outcome {
	if len(findings) == 0 {
		return NotNoticed
	}
	for _, worst := range []Outcome{NotNoticed, Flagged} {
		if count(findings, worst) > 0 {
			return worst
		}
	}
	return Refused
}

// anyRecord is the outcome of an attack on the order of genuine records: one mark gives it away.
func anyRecord(findings []finding) Outcome {
	switch len(findings) {
	case count(findings, NotNoticed):
		return NotNoticed
	case count(findings, Refused):
		return Refused
	}
	return Flagged
}

func count(findings []finding, outcome Outcome) (n int) {
	for _, f := range findings {
		if f.outcome == outcome {
			n++
		}
	}
	return n
}

// decisive returns the marks of the records that decided the outcome, or their states if no content is shown, each once.
func decisive(findings []finding, outcome Outcome) []string {
	var said []string
	for _, f := range findings {
		switch {
		case f.outcome != outcome:
		case outcome == Refused:
			said = append(said, f.state)
		default:
			said = append(said, f.marks...)
		}
	}
	slices.Sort(said)
	return slices.Compact(said)
}

// detail lists what the pod says of the records, in their order.
func detail(findings []finding) string {
	var said []string
	times := make(map[string]int)
	for _, f := range findings {
		text := strings.Join(slices.Compact(append([]string{f.state}, f.marks...)), ", ")
		if times[text]++; times[text] == 1 {
			said = append(said, text)
		}
	}
	for i, text := range said {
		if n := times[text]; n > 1 {
			said[i] = fmt.Sprintf("%d × %s", n, text)
		}
	}
	return strings.Join(said, "; ")
}
