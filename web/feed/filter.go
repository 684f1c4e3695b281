package feed

import "slices"

// MaxText is the longest text of a filter, in bytes.
const MaxText = 200

// Filter selects records. The zero value selects all.
type Filter struct {
	// Text must occur in the record's displayed value, its key or a header. Texts match regardless of case and of
	// Unicode's normal form, bytes match as base64.
	Text    string
	State   State
	Sender  SenderState
	Problem Problem
}

// Match reports whether a record is selected.
func (f Filter) Match(r *Record) bool { return f.match(r, needles(f.Text)) }

func (f Filter) match(r *Record, text []needle) bool {
	if f.State != "" && r.State != f.State || f.Sender != "" && r.Sender.Status() != f.Sender {
		return false
	}
	if f.Problem != "" && !r.Has(f.Problem) {
		return false
	}
	return f.Text == "" || slices.ContainsFunc(text, func(n needle) bool { return n.inRecord(r) })
}

// Select returns at most limit of the selected entries, and how many there are in all.
func (f Filter) Select(list []Entry, limit int) (selected []Entry, all int) {
	if f == (Filter{}) {
		return list[:min(limit, len(list))], len(list)
	}
	text := needles(f.Text)
	for _, e := range list {
		if !f.match(e.Record, text) {
			continue
		}
		if all++; all <= limit {
			selected = append(selected, e)
		}
	}
	return selected, all
}

// Split divides changed entries for a page with this filter: the selected ones, and those that are not selected but may
// be on the page, as they were before or as another record at their position was.
func (f Filter) Split(list []Entry) (selected, gone []Entry) {
	text := needles(f.Text)
	for _, e := range list {
		switch {
		case f.match(e.Record, text):
			selected = append(selected, e)
		case e.Replaces():
			gone = append(gone, e)
		}
	}
	return selected, gone
}
