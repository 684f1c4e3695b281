package pages

import (
	"fmt"
	"strconv"
	"strings"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

// RecordView is an opened record, for [Record] and [RecordPage].
type RecordView struct {
	ID, Href, Place            string
	State, Icon, Label, Why    string
	Need                       string // what is needed to read it
	Sender                     string
	SenderSeverity, SenderIcon string
	Flags                      []FlagView
	Facts                      []fact
	Time, Datetime             string
	Views                      [2]contents // as a message, and as the value in Kafka
	Cut                        bool        // not all is shown
	All                        string      // the address that shows all
}

// fact is a property of a record beside its content.
type fact struct{ Name, Value string }

// contents is a record's value, key and headers, rendered in one way.
type contents struct {
	ID, Name string
	Value    part
	Key      part
	Headers  []headerView
	More     string // says how many headers are not shown
}

// part is the value or the key of a record, with the address of its bytes.
type part struct {
	safetext.Rendering
	ID, Title, Note, Raw string
	Size                 string
	Missing              string // in place of a value that is null or empty
}

type headerView struct {
	Name, Value safetext.Rendering
	Null        bool
}

const (
	initialBytes   = 20 << 10 // of a value, shown at first
	maxBytes       = 1 << 20  // of a value, shown on request
	initialHeaders = 50       // shown at first
	maxHeaders     = 1000     // shown on request
)

// limits bound how much of a record is shown.
type limits struct{ bytes, headers int }

// Record returns the view of an opened record: the start of it, or all that a browser can show.
func (l Localizer) Record(r *feed.Record, all bool) RecordView {
	limit := limits{initialBytes, initialHeaders}
	if all {
		limit = limits{maxBytes, maxHeaders}
	}
	v := RecordView{
		ID: RowID(r), Href: Href(r), All: Href(r) + "?all=1", Place: fmt.Sprintf("%s / %d / %d", safetext.Visible(r.Topic), r.Partition, r.Offset),
		Label: l.label(r), Why: l.Why(r), Need: l.need(r), Sender: l.Sender(r.Sender), Flags: l.Flags(r), Facts: l.facts(r),
	}
	v.Time, v.Datetime = l.time(r)
	v.State, v.Icon = recordSeverity(r)
	v.SenderSeverity, v.SenderIcon = severity.OfSender(r.Sender.Status())
	v.Views[0] = l.contents("value", r, limit, safetext.Pretty)
	v.Views[1] = l.contents("wire", r, limit, safetext.Plain)
	for _, c := range v.Views {
		v.Cut = v.Cut || !all && (c.Value.Cut > 0 || c.Key.Cut > 0 || c.More != "")
	}
	return v
}

func (l Localizer) contents(id string, r *feed.Record, limit limits, write func([]byte, int) safetext.Rendering) contents {
	c := contents{ID: id, Name: l.T("view." + id), Key: l.part("key", r.Key, r, write(r.Key, limit.bytes))}
	value := r.Stored
	if id == "value" {
		value = r.Shown()
	}
	c.Value = l.part(id, value, r, write(value, limit.bytes))
	if id == "value" && r.State != feed.StateDecrypted && r.State != feed.StatePlain && r.State != feed.StateTombstone && r.State != feed.StateRejected {
		c.Value.Note = l.T("part.sealed")
	}
	for i, h := range r.Headers {
		if i == limit.headers {
			c.More = l.N("part.headers_more", len(r.Headers)-i)
			break
		}
		perHeader := limit.bytes / initialHeaders
		c.Headers = append(c.Headers, headerView{safetext.Name(h.Key, perHeader), write(h.Value, perHeader), h.Value == nil})
	}
	return c
}

func (l Localizer) part(id string, value []byte, r *feed.Record, f safetext.Rendering) part {
	p := part{Rendering: f, ID: id, Title: l.T("part." + id), Raw: "/api" + Href(r) + "/" + id, Size: l.N("part.size", len(value), "kind", l.T("part.kind."+f.Kind))}
	switch {
	case id == "value" && r.State == feed.StateDecrypted && len(value) == 0:
		p.Missing = l.T("record.missing.empty")
	case r.State.IsBatch():
		p.Missing = l.T("record.missing.not_unpacked")
	case r.State == feed.StateRejected:
		p.Missing = l.T("record.missing.rejected")
	case value == nil:
		p.Missing = l.T("record.missing.null")
	case len(value) == 0:
		p.Missing = l.T("record.missing.empty")
	}
	if f.Cut > 0 {
		p.Note = l.N("part.cut", f.Cut)
	}
	return p
}

// need says what is needed to read a record that is not decrypted.
func (l Localizer) need(r *feed.Record) string {
	switch r.State {
	case feed.StateNoKey, feed.StateUnknownKey:
		if len(r.NeededKeys) > 0 {
			return l.T("record.need.named", "needs", needs(r))
		}
		return l.T("record.need.unnamed")
	case feed.StateUndecryptable:
		return l.T("record.need.undecryptable")
	default:
		return ""
	}
}

func (l Localizer) facts(r *feed.Record) []fact {
	var list []fact
	add := func(id, value string) {
		if value != "" {
			list = append(list, fact{l.T("fact." + id), value})
		}
	}
	add("topic", safetext.Visible(r.Topic))
	add("partition", strconv.Itoa(int(r.Partition)))
	add("offset", strconv.FormatInt(r.Offset, 10))
	add("format", safetext.Visible(r.Format))
	add("key", safetext.Visible(r.KeyID))
	add("readers", otherReaders(r))
	add("signer", safetext.Visible(r.Sender.KeyID))
	if d := r.DataKey; d.ID != "" {
		add("data_key", safetext.Visible(d.ID))
		add("counter", strconv.FormatUint(d.Counter, 10))
		add("issued", seconds(d.IssuedAt))
		add("expires", seconds(d.Expires))
	}
	return list
}

// GoneView says that a record is not held, and how to read it from Kafka, for [Gone] and [GoneNote].
type GoneView struct {
	Layout
	Place, Why, Command string
}

// anyBroker is a placeholder in a command: the page does not reveal the brokers' addresses.
const anyBroker = "BROKER:9092"

// isTopicName reports whether Kafka allows the name for a topic. Other names come from forged links and must not get into a
// command.
func isTopicName(topic string) bool {
	return topic != "" && strings.Trim(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// Gone returns the view of a record that is not among those held, of which there are some.
func (l Localizer) Gone(p feed.Position, held int) GoneView {
	partition, offset := strconv.Itoa(int(p.Partition)), strconv.FormatInt(p.Offset, 10)
	v := GoneView{Place: safetext.Visible(p.Topic) + " / " + partition + " / " + offset, Why: l.N("gone.why", held)}
	if isTopicName(p.Topic) {
		v.Command = "kcat -C -b " + anyBroker + " -t " + p.Topic + " -p " + partition + " -o " + offset + " -c 1 -e -D '' | base64"
	}
	return v
}
