package pages

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/safetext"
)

// ParseFilter reads a filter from the query of an address. It ignores what it does not know: a mistake in a link must not
// hide records.
func ParseFilter(query url.Values) feed.Filter {
	var f feed.Filter
	text := strings.ToValidUTF8(query.Get("q"), "")
	if len(text) > feed.MaxText {
		text = safetext.WholeRunes([]byte(text[:feed.MaxText]))
	}
	// Trim after the cut, which may leave a space at the end: the filter's own address must give the same filter.
	f.Text = strings.TrimSpace(text)
	for _, state := range feed.States() {
		if query.Get("state") == string(state) {
			f.State = state
		}
	}
	for _, state := range feed.SenderStates() {
		if query.Get("sender") == string(state) {
			f.Sender = state
		}
	}
	for _, problem := range feed.Problems() {
		if query.Get("problem") == string(problem) {
			f.Problem = problem
		}
	}
	return f
}

// FilterQuery returns the query of a filter's address; empty if the filter selects all records.
func FilterQuery(f feed.Filter) url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"q": f.Text, "state": string(f.State), "sender": string(f.Sender), "problem": string(f.Problem)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// FilterView is the form that the filter is set with.
type FilterView struct {
	feed.Filter
	Active          bool
	Matches         string // how many of the searched records are selected
	States, Senders []choice
}

type choice struct {
	Value, Name string
	Chosen      bool
}

// Filter returns the form of a filter that selects some of the searched records.
func (l Localizer) Filter(f feed.Filter, selected, searched int) FilterView {
	v := FilterView{Filter: f, Active: f != (feed.Filter{})}
	if v.Active {
		v.Matches = l.T("filter.matches", "n", strconv.Itoa(selected), "m", strconv.Itoa(searched))
	}
	for _, s := range append([]feed.State{""}, feed.States()...) {
		v.States = append(v.States, choice{string(s), l.T("record.state." + cmp.Or(string(s), "any")), s == f.State})
	}
	for _, s := range append([]feed.SenderState{""}, feed.SenderStates()...) {
		v.Senders = append(v.Senders, choice{string(s), l.T("sender.state." + cmp.Or(string(s), "any")), s == f.Sender})
	}
	return v
}
