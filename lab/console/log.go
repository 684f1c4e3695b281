package console

import (
	"slices"
	"strconv"
)

// logCell is a record in the strip of earlier ones, in the state that the confidential pod shows.
type logCell struct {
	ID, Position    string
	Severity, Icon  string
	Label           string // the state
	State           string // with what else is known
	Shown           bool   // in the columns
	Typed, Attacked bool
	NewKey          string // start of its key's id, if the record is the first one for a new version of the key
}

// shownCells is how many records the strip holds.
const shownCells = 60

func (c *Console) logView(l localizer, records []storedRecord, shown Position) []logCell {
	var cells []logCell
	typed, isTyped := c.demo.Typed()
	attacked, _ := c.demo.Attacked()
	records = records[max(0, len(records)-shownCells):]
	firsts := c.firstOfKeys(records)
	for _, r := range slices.Backward(records) {
		cell := logCell{
			ID: "r-" + strconv.Itoa(int(r.Partition)) + "-" + strconv.FormatInt(r.Offset, 10), Position: r.String(), Shown: r.Position == shown,
			Typed:    isTyped && r.Position == typed.Position,
			Attacked: attacked.Seen.Concerns(r.Position),
		}
		s := c.seenSince(l, r)
		cell.Severity, cell.Icon, cell.Label, cell.State = s.Severity, s.Icon, s.Label, s.Label
		if len(s.Flags) > 0 {
			cell.State += ", " + s.Flags[0]
		}
		if s.Attack != "" {
			cell.State += ", " + s.Attack
		}
		if key, ok := firsts[r.Position]; ok {
			cell.NewKey = shortKey(key)
		}
		cells = append(cells, cell)
	}
	return cells
}

// firstOfKeys returns the first record of each key that the confidential pod opened records with, but for the oldest key.
func (c *Console) firstOfKeys(records []storedRecord) map[Position]string {
	firsts, known := make(map[Position]string), make(map[string]bool)
	for _, r := range records {
		shown, ok, _ := c.confidential.at(r)
		if !ok || shown.State != "decrypted" || shown.KeyID == "" || known[shown.KeyID] {
			continue
		}
		if len(known) > 0 {
			firsts[r.Position] = shown.KeyID
		}
		known[shown.KeyID] = true
	}
	return firsts
}

// dash is the icon of a record that a pod does not show and never will.
const dash = "–"

// legend says what the dashes among the cells mean.
func legend(cells []logCell) (words []string) {
	for _, cell := range cells {
		if cell.Icon == dash && !slices.Contains(words, cell.Label) {
			words = append(words, cell.Label)
		}
	}
	return words
}
