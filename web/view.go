package web

import (
	"cmp"
	"strconv"
	"time"
)

const (
	firstRows = 200 // on a page when it is opened
	maxRows   = 500 // in a page, and in one flush to it
	newRows   = 60  // in one flush that came since the last one: nobody reads more in a quarter of a second
)

// view is everything that the main page shows, in its words.
type view struct {
	shell
	cursor string // where the page's stream goes on; empty on a page of older records
	head   head
	filter filterView
	rows   []rowView
	older  string // the address of the records before these, if there are any
	newest string // the address of the newest, on a page of older ones
}

// shell is what every page has around it.
type shell struct {
	words
	title     string
	notice    string
	languages []otherLanguage
	open      string // who can see the page
	assets    assets
}

// head is the part above the rows, which is replaced part by part.
type head struct {
	verdict verdictView
	attest  attestationView
	hero    heroView
	counts  string
	kafka   kafkaView
	strip   []stripItem
}

func (s *Server) head(w words) head {
	seen, key, kafka := s.feed.glance(), s.key(), s.kafka()
	return head{
		verdict: w.verdict(key), attest: w.attestation(key), hero: w.hero(seen.best, seen.before),
		counts: w.say("counts", "decrypted", strconv.Itoa(seen.counts.Decrypted), "unreadable", strconv.Itoa(seen.counts.Unreadable), "plain", strconv.Itoa(seen.counts.Plain)),
		kafka:  w.kafka(kafka, seen.best == nil, s.feed.now()), strip: w.strip(kafka, seen),
	}
}

// tone is how a state looks: its colour and its icon. The word beside them says
// the same.
func tone[S ~string](state S) (name, icon string) {
	switch string(state) {
	case string(StateDecrypted), string(KeyReleased), string(SenderVerified), string(CheckEqual):
		return "good", "✓"
	case string(CheckNotChecked), string(SenderUnchecked):
		return "still", "–"
	case string(SenderUnverified), string(StateNoKey), string(StateUnknownKey), string(KeyWaiting), string(KeyNotConfigured), string(KeyUnreachable):
		return "wait", "⊘"
	default:
		return "bad", "⚠"
	}
}

// heroView is one record as Kafka stores it beside what this pod sees.
type heroView struct {
	Found        bool
	Stored, Seen display
	Skipped      string // says what is left out in front
	State, Icon  string
	Label        string
}

func (w words) hero(r, before *Record) heroView {
	if r == nil {
		return heroView{}
	}
	h := heroView{Found: true, Seen: displayOf(r.shown()), Label: w.say("record." + string(r.State))}
	same := 0
	if before != nil && r.State != StatePlain && r.Format != formatRSA {
		same = alike(r.Wire, before.Wire)
	}
	if h.Stored = displayFrom(r.Wire, same); h.Stored.Skipped > 0 {
		h.Skipped = w.say("skipped", "n", strconv.Itoa(h.Stored.Skipped))
	}
	h.State, h.Icon = tone(r.State)
	if r.State != StateDecrypted && r.State != StatePlain {
		h.Seen = display{Text: w.say("encrypted")}
	}
	return h
}

// kafkaView says what is wrong with Kafka, if anything is.
type kafkaView struct {
	Text string
	Away bool // nothing can be read
}

// slow is after how long the first connection is worth a word on what may be wrong.
const slow = 8 * time.Second

func (w words) kafka(k KafkaStatus, empty bool, now time.Time) kafkaView {
	id := "kafka." + string(k.State)
	switch {
	case k.State == KafkaReading && !empty:
		return kafkaView{}
	case k.State == KafkaReading:
		id += ".no_record"
	case k.State == KafkaConnecting && now.Sub(k.Since) > slow:
		id += ".slow"
	}
	text := w.say(id, "cause", w.phrase(k.Cause), "check", w.phrase(k.Check), "t", visible(k.Topic), "time", clock(k.Since))
	return kafkaView{Text: text, Away: k.State != KafkaReading}
}

// stripItem is one figure of the status strip.
type stripItem struct{ ID, Name, Value, Note, Tone string }

func (w words) strip(k KafkaStatus, seen glance) []stripItem {
	item := func(id, value string) stripItem { return stripItem{ID: id, Name: w.say("strip." + id), Value: value} }
	digits := 0
	if seen.rate > 0 && seen.rate < 10 {
		digits = 1
	}
	rate := item("rate", strconv.FormatFloat(seen.rate, 'f', digits, 64))
	lag, partitions := item("lag", "–"), item("partitions", "–")
	if k.State == KafkaReading && k.Share.All > 0 {
		lag.Value = strconv.FormatInt(k.Share.Lag, 10)
		partitions.Value = w.say("strip.of", "held", strconv.Itoa(k.Share.Held), "all", strconv.Itoa(k.Share.All))
		switch {
		case k.Share.Leaderless > 0:
			partitions.Note, partitions.Tone = w.say("strip.leaderless", "n", strconv.Itoa(k.Share.Leaderless)), "bad"
		case k.Share.Held < k.Share.All:
			partitions.Note = w.say("strip.others")
		}
	}
	failures := item("failures", strconv.Itoa(seen.counts.Failed))
	if seen.counts.Failed > 0 {
		failures.Tone = "bad"
	}
	return []stripItem{rate, lag, partitions, failures}
}

// filterView is the form that the filter is set with.
type filterView struct {
	filter
	Active          bool
	States, Senders []choice
}

type choice struct {
	Value, Name string
	Chosen      bool
}

func (w words) filter(f filter) filterView {
	v := filterView{filter: f, Active: f != (filter{})}
	for _, s := range append([]State{""}, States()...) {
		v.States = append(v.States, choice{string(s), w.say("record." + cmp.Or(string(s), "any")), s == f.State})
	}
	for _, s := range append([]SenderState{""}, senderStates()...) {
		v.Senders = append(v.Senders, choice{string(s), w.say("sender.any." + cmp.Or(string(s), "any")), s == f.Sender})
	}
	return v
}
