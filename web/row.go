package web

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rowView is a record in the list. What is more of it is asked for when it is opened.
type rowView struct {
	ID, Seq, Href              string
	State, Icon, Label, Why    string
	Value                      display
	Sender, Short              string
	SenderTone, SenderIcon     string
	Makes                      string // classes of the list that has this record: what its columns are
	Flags                      []flagged
	Key, Place, Time, Datetime string
}

// formatRSA is the one format that names neither key nor sender.
const formatRSA = "rsa"

// sealed reports whether a record is in a format that can tell its sender.
func (r *Record) sealed() bool { return r.Format != "" && r.Format != formatRSA }

// makes says what a list with this record has to show: who sent it, its key, that nobody's authorship is proven.
func (r *Record) makes() string {
	var classes []string
	add := func(has bool, class string) {
		if has {
			classes = append(classes, class)
		}
	}
	add(r.State == StateDecrypted, "opened")
	add(r.sealed(), "senders")
	add(len(r.Key) > 0, "keyed")
	return strings.Join(classes, " ")
}

// makes joins those of all rows; the script does so for rows that come later.
func makes(rows []rowView) string {
	classes := make(map[string]bool)
	for _, r := range rows {
		for class := range strings.FieldsSeq(r.Makes) {
			classes[class] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(classes)), " ")
}

func (w words) row(r revised) rowView {
	v := rowView{
		ID: rowID(r.Record), Seq: strconv.FormatUint(r.Seq, 10), Href: r.href(),
		Label: w.say("record." + string(r.State)), Why: w.why(r.Record),
		Makes: r.makes(), Sender: w.sender(r.Sender), Short: w.shortSender(r.Sender),
		Flags: w.flags(r.Record), Key: keyPreview(r.Key),
		Place: fmt.Sprintf("%s / %d / %d", visible(r.Topic), r.Partition, r.Offset),
		Time:  utc(r.Timestamp), Datetime: rfc3339(r.Timestamp),
	}
	v.State, v.Icon = tone(r.State)
	v.SenderTone, v.SenderIcon = tone(r.Sender.state())
	switch {
	case r.State == StateOversized:
		v.Value.Text = w.say("not_unpacked")
	case r.shown() == nil && r.State != StateDecrypted:
		v.Value.Text = w.say("null")
	case len(r.shown()) == 0:
		v.Value.Text = w.say("empty")
	case r.State != StateDecrypted && r.sealed():
		v.Value = tail(r.Wire)
	default:
		v.Value = displayOf(r.shown())
	}
	return v
}

// tail is the end of a ciphertext: its start is the same for every record under one data key.
func tail(wire []byte) display {
	const shown = 45 // 60 characters of base64
	if len(wire) <= shown {
		return displayOf(wire)
	}
	d := display{Skipped: len(wire) - shown, Bytes: !utf8.Valid(wire)}
	if d.Bytes {
		d.Skipped -= d.Skipped % 3
		d.Text = "…" + base64.StdEncoding.EncodeToString(wire[d.Skipped:])
		return d
	}
	d.Text = "…" + visible(strings.ToValidUTF8(string(wire[d.Skipped:]), ""))
	return d
}

// keyPreview is the start of a record's key.
func keyPreview(key []byte) string {
	const shown = 48
	d := displayOf(key[:min(len(key), shown)])
	if len(key) > shown {
		d.Text += "…"
	}
	return d.Text
}

// rowID names a record's row in the page, so that it can be replaced.
func rowID(r *Record) string {
	return fmt.Sprintf("r-%s-%d-%d", r.Topic, r.Partition, r.Offset)
}

// href is the record's own address, for as long as it is held.
func (r *Record) href() string {
	return fmt.Sprintf("/records/%s/%d/%d", url.PathEscape(r.Topic), r.Partition, r.Offset)
}

func (w words) why(r *Record) string {
	id := "why." + string(r.State)
	if r.State == StateUndecryptable && r.Format == formatRSA {
		id += ".rsa"
	}
	return w.say(id, "id", r.KeyID, "needs", strings.Join(r.Needs, ", "), "ids", strings.Join(r.Holds, ", "),
		"o", strconv.FormatInt(r.Offset, 10), "from", strconv.FormatInt(r.From, 10))
}

func (w words) rows(records []revised) []rowView {
	rows := make([]rowView, len(records))
	for i, r := range records {
		rows[i] = w.row(r)
	}
	return rows
}
