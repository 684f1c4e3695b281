package web

import (
	"strconv"
	"strings"
)

// recordView is a record that was opened: all that is known of it.
type recordView struct {
	ID, Href, Place         string
	State, Icon, Label, Why string
	Need                    string // what it would take to read it
	Sender                  string
	SenderTone, SenderIcon  string
	Flags                   []flagged
	Facts                   []fact
	Time, Datetime          string
	Views                   [2]contents // as a value, and as it is in Kafka
	Cut                     bool
	All                     string // the address without a cut
}

// fact is a line of what is known of a record beside its message.
type fact struct{ Name, Value string }

// contents is one way to write a record's value, key and headers.
type contents struct {
	ID, Name string
	Value    part
	Key      part
	Headers  []headerView
	More     string // says how many headers are not shown
}

// part is some bytes of a record, and where they can be had as they are.
type part struct {
	form
	Title, Note, Raw string
	Size             string
	Missing          string // stands in place of bytes that are not there
}

type headerView struct {
	Name  string
	Value form
}

// fewHeaders is how many are shown before all of them are asked for.
const fewHeaders = 50

// limits are how much of a record is shown at once.
type limits struct{ bytes, headers int }

func cutLimits() limits { return limits{cutAt, fewHeaders} }
func allLimits() limits { return limits{everything, 1 << 20} }

func (w words) record(r *Record, limit limits) recordView {
	v := recordView{
		ID: rowID(r), Href: r.href(), All: r.href() + "?all=1", Place: w.row(revised{Record: r}).Place,
		Label: w.say("record." + string(r.State)), Why: w.why(r), Need: w.need(r), Sender: w.sender(r.Sender), Flags: w.flags(r), Facts: w.facts(r),
		Time: utc(r.Timestamp), Datetime: rfc3339(r.Timestamp),
	}
	v.State, v.Icon = tone(r.State)
	v.SenderTone, v.SenderIcon = tone(r.Sender.state())
	v.Views[0] = w.contents("value", r, limit, valueForm)
	v.Views[1] = w.contents("wire", r, limit, plainForm)
	for _, c := range v.Views {
		v.Cut = v.Cut || c.Value.Cut > 0 || c.Key.Cut > 0 || c.More != ""
	}
	return v
}

func (w words) contents(id string, r *Record, limit limits, write func([]byte, int) form) contents {
	c := contents{ID: id, Name: w.say("view." + id), Key: w.part("key", r.Key, r, write(r.Key, limit.bytes))}
	value := r.Wire
	if id == "value" {
		value = r.shown()
	}
	c.Value = w.part(id, value, r, write(value, limit.bytes))
	if id == "value" && r.State != StateDecrypted && r.State != StatePlain {
		c.Value.Note = w.say("view.sealed")
	}
	for i, h := range r.Headers {
		if i == limit.headers {
			c.More = w.say("headers.more", "n", strconv.Itoa(len(r.Headers)-i))
			break
		}
		f := write(h.Value, limit.bytes/fewHeaders)
		if h.Value == nil {
			f.Text = w.say("null")
		}
		c.Headers = append(c.Headers, headerView{visible(strings.ToValidUTF8(h.Key, "\uFFFD")), f})
	}
	return c
}

func (w words) part(id string, value []byte, r *Record, f form) part {
	p := part{form: f, Title: w.say("part." + id), Raw: "/api" + r.href() + "/" + id, Size: w.say("size", "n", strconv.Itoa(len(value)), "kind", w.say("kind."+f.Kind))}
	switch {
	case id == "value" && r.State == StateDecrypted && len(value) == 0:
		p.Missing = w.say("empty")
	case r.State == StateOversized:
		p.Missing = w.say("not_unpacked")
	case value == nil:
		p.Missing = w.say("null")
	case len(value) == 0:
		p.Missing = w.say("empty")
	}
	if f.Cut > 0 {
		p.Note = w.say("cut", "n", strconv.Itoa(f.Cut))
	}
	return p
}

// need says what it would take to read a record that is not open.
func (w words) need(r *Record) string {
	switch r.State {
	case StateNoKey, StateUnknownKey:
		if len(r.Needs) > 0 {
			return w.say("need.named", "needs", strings.Join(r.Needs, ", "))
		}
		return w.say("need.unnamed")
	case StateUndecryptable:
		return w.say("need.undecryptable")
	default:
		return ""
	}
}

func (w words) facts(r *Record) []fact {
	var list []fact
	add := func(id, value string) {
		if value != "" {
			list = append(list, fact{w.say("fact." + id), value})
		}
	}
	add("topic", visible(r.Topic))
	add("partition", strconv.Itoa(int(r.Partition)))
	add("offset", strconv.FormatInt(r.Offset, 10))
	add("format", r.Format)
	add("key", r.KeyID)
	add("signer", r.Sender.KeyID)
	add("data_key", r.DataKey)
	if r.DataKey != "" {
		add("counter", strconv.FormatUint(r.Counter, 10))
	}
	return list
}

// goneView says that a record is not held, and how to get it from Kafka itself.
type goneView struct {
	shell
	Place, Why, Command string
}

// named is how Kafka lets a topic be named; another name comes from a link that somebody made.
func named(topic string) bool {
	return topic != "" && strings.Trim(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

func (w words) gone(p position, held int) goneView {
	partition, offset := strconv.Itoa(int(p.partition)), strconv.FormatInt(p.offset, 10)
	v := goneView{Place: visible(p.topic) + " / " + partition + " / " + offset, Why: w.say("gone.why", "n", strconv.Itoa(held))}
	if named(p.topic) {
		v.Command = "kcat -C -b $BROKERS -t " + p.topic + " -p " + partition + " -o " + offset + " -c 1"
	}
	return v
}
