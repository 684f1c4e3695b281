package attacks

import (
	"fmt"
	"slices"
	"strings"
)

// The states in which a record's content is shown. They are the API's words (docs/programs.md).
const (
	stateDecrypted = "decrypted"
	statePlain     = "plain"
)

// finding is what the pod says of one record, compared with a record that nobody attacked.
type finding struct {
	Position
	outcome Outcome
	said    string
}

// compare judges each record. What the pod says of a record of the producer, too, is no mark.
func compare(records []reported, genuine reported) []finding {
	findings := make([]finding, len(records))
	for i, r := range records {
		f := finding{Position: Position{r.Partition, r.Offset}, outcome: NotNoticed, said: r.State}
		if r.RejectReason != "" {
			f.said += " (" + r.RejectReason + ")"
		}
		marks := slices.Clone(r.Flags)
		if r.Sender.State != genuine.Sender.State {
			marks = append(marks, "sender "+r.Sender.State)
		}
		switch {
		case r.State != stateDecrypted && r.State != statePlain: // the other states show no content
			f.outcome = Refused
		case len(marks) > 0 || r.State != genuine.State:
			f.outcome = Flagged
		}
		if f.outcome != Refused && len(marks) > 0 {
			f.said += ", " + strings.Join(marks, ", ")
		}
		findings[i] = f
	}
	return findings
}

// everyRecord is the outcome of an attack in which each record must be noticed: the worst of them.
func everyRecord(findings []finding) Outcome {
	worst := Refused
	for _, f := range findings {
		switch {
		case f.outcome == NotNoticed:
			worst = NotNoticed
		case f.outcome == Flagged && worst == Refused:
			worst = Flagged
		}
	}
	return worst
}

// detail lists what the pod says, once for all records of which it says the same.
func detail(findings []finding) string {
	var said []string
	count := make(map[string]int)
	for _, f := range findings {
		if count[f.said]++; count[f.said] == 1 {
			said = append(said, f.said)
		}
	}
	for i, s := range said {
		if n := count[s]; n > 1 {
			said[i] = fmt.Sprintf("%d × %s", n, s)
		}
	}
	return strings.Join(said, "; ")
}
