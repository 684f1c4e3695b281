package web

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"
)

// filter is which records a page shows. The zero value shows all.
type filter struct {
	Text   string // in the value as it is shown, the key or a header, in any case of letters
	State  State
	Sender SenderState
}

// longestText is how much of a filter's text counts, in bytes.
const longestText = 200

// States are all that a record can be in, in the order in which a page offers them.
func States() []State {
	return []State{StateDecrypted, StateNoKey, StateUnknownKey, StateUndecryptable, StateMalformed, StateOversized, StatePlain}
}

func senderStates() []SenderState {
	return []SenderState{SenderVerified, SenderUnverified, SenderUntrusted, SenderUnchecked}
}

// parseFilter reads the filter of an address. What it does not know filters nothing: a record must not be hidden by a
// mistake in a link.
func parseFilter(query url.Values) filter {
	var f filter
	text := strings.ToValidUTF8(query.Get("q"), "")
	if len(text) > longestText {
		text = text[:longestText]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	// Trimmed last: what is cut away may leave a space at an end, and the filter is read again from its own address.
	f.Text = strings.TrimSpace(text)
	for _, state := range States() {
		if query.Get("state") == string(state) {
			f.State = state
		}
	}
	for _, state := range senderStates() {
		if query.Get("sender") == string(state) {
			f.Sender = state
		}
	}
	return f
}

// query is the filter as it stands in an address; empty where it shows all.
func (f filter) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"q": f.Text, "state": string(f.State), "sender": string(f.Sender)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func (f filter) match(r *Record) bool {
	if f.State != "" && r.State != f.State || f.Sender != "" && r.Sender.state() != f.Sender {
		return false
	}
	if f.Text == "" {
		return true
	}
	text := []byte(strings.ToLower(f.Text))
	has := func(b []byte) bool { return bytes.Contains(bytes.ToLower(b), text) }
	if has(r.Key) || has(r.shown()) {
		return true
	}
	for _, h := range r.Headers {
		if has([]byte(h.Key)) || has(h.Value) {
			return true
		}
	}
	return false
}

// only gives the records that match, at most limit, and whether there are more.
func (f filter) only(list []revised, limit int) (matching []revised, more bool) {
	for _, r := range list {
		if !f.match(r.Record) {
			continue
		}
		if len(matching) == limit {
			return matching, true
		}
		matching = append(matching, r)
	}
	return matching, false
}
