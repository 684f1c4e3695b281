package console

import (
	"cmp"
	"slices"
	"strings"

	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

type attacksView struct {
	Formats []formatColumn
	Rows    []attackRow
	Running bool
	Last    lastAttack
	Hint    string // in place of Last
}

type formatColumn struct {
	Name, Label string
	Requires    string // what the pods require, in a sentence, before it is chosen
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
	Read                  bool // Kafka's operator has read the records
}

// lastAttack is the attack that runs, or the last one.
type lastAttack struct {
	Name       string
	Tries      string // while it runs
	Outcome    outcomeCell
	Detail     string
	DetailLang string
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
	v := attacksView{Running: last.Running, Hint: cmp.Or(c.switched(l), l.T("attacks.hint"))}
	formats := []string{"rsa", "envelope-unsigned", "envelope"}
	for _, outcomes := range board {
		if outcomes["jwe"].Outcome != "" && !slices.Contains(formats, "jwe") {
			formats = append(formats, "jwe")
		}
	}
	if !slices.Contains(formats, format) {
		formats = append(formats, format)
	}
	for _, f := range formats {
		v.Formats = append(v.Formats, formatColumn{f, l.or("format."+f, f), c.policy(l, f), f == format})
	}
	for _, a := range c.demo.Attacks() {
		row := attackRow{Name: a.Name, Short: l.T("attack." + a.Name + ".short"), Tries: l.or("attack."+a.Name+".tries", a.Tries), Running: last.Running && last.Attack.Name == a.Name}
		for _, f := range formats {
			cell := l.outcome(board[a.Name][f])
			cell.Current = f == format
			switch {
			case cell.Current && row.Running:
				cell = outcomeCell{Severity: severity.Wait, Icon: "…", Words: l.T("outcome.running"), Current: true}
			case cell.Current && (a.Name == started || a.Name == next):
				cell = outcomeCell{Severity: severity.Wait, Icon: "◔", Words: l.T("outcome.next"), Current: true}
			}
			row.Cells = append(row.Cells, cell)
		}
		if tried && last.Attack.Name == a.Name {
			v.Last = lastAttack{Name: a.Name}
			if last.Running {
				v.Last.Tries = row.Tries
			}
		}
		v.Rows = append(v.Rows, row)
	}
	switch {
	case v.Last.Name == "":
	case last.Running:
		v.Last.Outcome = outcomeCell{Severity: severity.Wait, Icon: "…", Words: l.T("attacks.waits")}
		v.Last.Detail, v.Last.DetailLang = l.T("attack."+last.Attack.Name+".waits"), l.Lang
	case last.Err != nil:
		v.Last.Outcome = outcomeCell{Severity: severity.Bad, Icon: "⚠", Words: l.T("outcome.failed")}
		v.Last.Detail, v.Last.DetailLang = l.problem(last.Err)
	default:
		v.Last.Outcome, v.Last.Detail, v.Last.DetailLang = l.outcome(last.Seen), l.detail(last.Seen), l.Lang
		v.Last.Outcome.Words = l.or("became."+outcomeID(last.Seen), v.Last.Outcome.Words)
	}
	return v
}

// detail says what the pod made of an attack, and which record nobody reads.
func (l localizer) detail(o Observation) string {
	if len(o.Withheld) == 0 {
		return l.said(o.Detail)
	}
	var all []string
	for _, w := range o.Withheld {
		id := "withheld.missing"
		if w.Text == "" {
			id = "withheld.unknown"
		}
		became := l.T("withheld.not_noticed")
		if slices.Contains(o.Noticed, w.Next) {
			became = l.T("withheld."+o.Outcome, "next", w.Next.String(), "said", l.said(strings.Join(o.Marks, ", ")))
		} else if o.Outcome != "not_noticed" {
			became = l.said(o.Detail)
		}
		all = append(all, l.T(id, "position", w.String(), "text", short(w.Text))+" "+became)
	}
	return strings.Join(all, " ")
}

// maxQuoted is how much of a message a sentence quotes, in characters.
const maxQuoted = 40

// short returns the start of a message, on one line.
func short(text string) string {
	runes := []rune(safetext.Visible(text))
	if len(runes) > maxQuoted {
		return string(runes[:maxQuoted]) + "…"
	}
	return string(runes)
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

// outcomeID names what became of an attack, and whether the operator has read the records: no pod takes that back.
func outcomeID(o Observation) string {
	if len(o.Read) > 0 {
		return "read_" + o.Outcome
	}
	return o.Outcome
}

// outcome shows what became of an attack; the zero value: it was not tried. An outcome that the console does not know is
// shown as it is.
func (l localizer) outcome(o Observation) outcomeCell {
	id := outcomeID(o)
	cell := outcomeCell{Severity: severity.Bad, Icon: "⚠", Words: cmp.Or(l.T("outcome."+id), id), Outcome: o.Outcome, Read: len(o.Read) > 0}
	switch id {
	case "":
		cell.Severity, cell.Icon, cell.Words = severity.Neutral, "–", l.T("outcome.none")
	case "refused", "flagged": // it was noticed; how is in the word
		cell.Severity, cell.Icon = severity.Good, "✓"
	case "read_refused", "read_flagged": // and the operator has what they wanted
		cell.Severity, cell.Icon = severity.Wait, "⚠"
	}
	return cell
}
