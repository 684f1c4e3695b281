package attacks

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// Scoreboard is what was observed, with one column for each way to protect the records.
type Scoreboard []Column

// Column is what was observed of one way to protect the records.
type Column struct {
	Name     string
	Observed []Observation
}

// String returns the scoreboard as text.
func (s Scoreboard) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	header := []string{""}
	for _, c := range s {
		header = append(header, c.Name)
	}
	for _, row := range append([][]string{header}, s.rows()...) {
		fmt.Fprintln(w, strings.Join(row, "\t")) //nolint:errcheck // it writes into memory
	}
	_ = w.Flush() //nolint:errcheck // see above
	return text.String()
}

// rows returns the cells of the scoreboard, beginning with the attack.
func (s Scoreboard) rows() [][]string {
	var rows [][]string
	for _, a := range All() {
		row := []string{a.Name}
		for _, c := range s {
			cell := "-"
			if i := slices.IndexFunc(c.Observed, func(o Observation) bool { return o.Attack == a.Name }); i >= 0 {
				cell = c.Observed[i].cell()
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// cell says what the operator has read, beside what the pod made of it: a pod can refuse a record that is no secret any more.
func (o Observation) cell() string {
	cell := "NOT NOTICED"
	if o.Outcome != NotNoticed {
		cell = fmt.Sprintf("%s: %s", o.Outcome, strings.Join(o.Marks, ", "))
	}
	if len(o.Read) > 0 {
		cell = "READ by the operator; " + cell
	}
	return cell
}

// The marks around the table in a document. Its first two lines, the header, are the document's.
const (
	tableStart = "<!-- scoreboard -->\n"
	tableEnd   = "<!-- end -->\n"
)

// Update returns a document with the scoreboard in the place of its table, in Markdown.
func (s Scoreboard) Update(document []byte) ([]byte, error) {
	before, rest, started := bytes.Cut(document, []byte(tableStart))
	table, after, ended := bytes.Cut(rest, []byte(tableEnd))
	lines := bytes.SplitAfter(table, []byte("\n"))
	if !started || !ended || len(lines) < 3 {
		return nil, errors.New("updating the document: it has no table between the marks scoreboard and end")
	}
	emphasis := strings.NewReplacer("NOT NOTICED", "**not noticed**", "READ", "**read**") // in String they are in capitals
	out := slices.Concat(before, []byte(tableStart), lines[0], lines[1])
	for _, row := range s.rows() {
		row[0] = "`" + row[0] + "`"
		for i, cell := range row {
			row[i] = emphasis.Replace(cell)
		}
		out = fmt.Appendf(out, "| %s |\n", strings.Join(row, " | "))
	}
	return slices.Concat(out, []byte(tableEnd), after), nil
}
