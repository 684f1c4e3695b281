package console

import (
	"cmp"
	"slices"
	"strings"
)

type attacksView struct {
	Formats []formatColumn
	Rows    []attackRow
	Running bool
	Last    lastAttack
}

type formatColumn struct {
	Name, Label string
	Policy      string // Label with what the pods require
	Current     bool
}

type attackRow struct {
	Name, Short, Tries string
	Running            bool
	Cells              []outcomeCell
}

type outcomeCell struct {
	Severity, Icon, Words string
	Current               bool
	Outcome               string
}

// lastAttack is the attack that runs, or the last one.
type lastAttack struct {
	Name, Tries string
	Outcome     outcomeCell
	Detail      string
	DetailLang  string
}

func (c *Console) attacksView(l localizer) attacksView {
	board, format := c.demo.Scoreboard(), c.demo.Format()
	last, tried := c.demo.Attacked()
	if began := c.demo.Scenario().Began; !last.Running && last.Ended.Before(began) { // it says nothing of these pods
		tried = false
	}
	started, next := c.attacks.names()
	if last.Running && started == last.Attack.Name {
		started = ""
	}
	v := attacksView{Running: last.Running}
	formats := []string{"rsa", "envelope-unsigned", "envelope"}
	for _, outcomes := range board {
		if outcomes["jwe"] != "" && format != "jwe" && !slices.Contains(formats, "jwe") {
			formats = append(formats, "jwe")
		}
	}
	if !slices.Contains(formats, format) {
		formats = append(formats, format)
	}
	for _, f := range formats {
		v.Formats = append(v.Formats, formatColumn{f, l.or("format."+f, f), l.or("attacks.format."+f, f), f == format})
	}
	for _, a := range c.demo.Attacks() {
		row := attackRow{Name: a.Name, Short: l.T("attack." + a.Name + ".short"), Tries: l.or("attack."+a.Name+".tries", a.Tries), Running: last.Running && last.Attack.Name == a.Name}
		for _, f := range formats {
			cell := l.outcome(board[a.Name][f])
			cell.Current = f == format
			switch {
			case cell.Current && row.Running:
				cell = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("outcome.running"), Current: true}
			case cell.Current && (a.Name == started || a.Name == next):
				cell = outcomeCell{Severity: "wait", Icon: "◔", Words: l.T("outcome.next"), Current: true}
			}
			row.Cells = append(row.Cells, cell)
		}
		if tried && last.Attack.Name == a.Name {
			v.Last = lastAttack{Name: a.Name, Tries: row.Tries}
		}
		v.Rows = append(v.Rows, row)
	}
	switch {
	case v.Last.Name == "":
	case last.Running:
		v.Last.Outcome = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("attacks.waits")}
	case last.Err != nil:
		v.Last.Outcome = outcomeCell{Severity: "bad", Icon: "⚠", Words: l.T("outcome.failed")}
		v.Last.Detail, v.Last.DetailLang = l.problem(last.Err)
	default:
		v.Last.Outcome, v.Last.Detail, v.Last.DetailLang = l.outcome(last.Seen.Outcome), l.said(last.Seen.Detail), l.Lang
		v.Last.Outcome.Words = l.or("became."+last.Seen.Outcome, v.Last.Outcome.Words)
	}
	return v
}

// said returns what the pod said of the attacked records in words: states, reasons and flags, separated by commas and
// semicolons, and counted.
func (l localizer) said(detail string) string {
	records := strings.Split(detail, "; ")
	for i, record := range records {
		count, names, counted := strings.Cut(record, " × ")
		if !counted {
			count, names = "", record
		}
		words := strings.Split(names, ", ")
		for j, name := range words {
			words[j] = l.word("said.", name)
		}
		records[i] = strings.Join(words, ", ")
		if counted {
			records[i] = count + " × " + records[i]
		}
	}
	return strings.Join(records, "; ")
}

// outcome shows what became of an attack. An outcome that the console does not know is shown as it is.
func (l localizer) outcome(name string) outcomeCell {
	cell := outcomeCell{Severity: "bad", Icon: "⚠", Words: cmp.Or(l.T("outcome."+name), name), Outcome: name}
	switch name {
	case "":
		cell.Severity, cell.Icon, cell.Words = "neutral", "–", l.T("outcome.none")
	case "refused":
		cell.Severity, cell.Icon = "good", "✓"
	case "flagged":
		cell.Severity, cell.Icon = "wait", "⚑"
	}
	return cell
}
