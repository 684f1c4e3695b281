package web

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

const (
	firstRows = 200 // on a page when it is opened
	maxRows   = 500 // in a page, and in one flush to it
)

// view is everything that one rendering of the page shows, in its words.
type view struct {
	words  words
	notice string
	cursor string // where the page's stream goes on
	head   head
	rows   []rowView
	more   bool // the feed holds more than the rows shown
}

// head is the part above the rows, which is replaced as a whole part by part.
type head struct {
	verdict verdictView
	attest  attestationView
	hero    heroView
	counts  string
	kafka   string
}

// verdictView is what became of the key, why, and what to do.
type verdictView struct{ Tone, Icon, Title, Why, Todo, Tried, Again string }

// heroView is one record as Kafka stores it beside what this pod sees.
type heroView struct {
	Found        bool
	Stored, Seen display
	State, Icon  string
	Label        string
}

type rowView struct {
	ID, Seq                 string
	State, Icon, Label, Why string
	Value                   display
	Cut                     string
	Sender, SenderTone      string
	Sealed                  bool // in a format that can tell the sender
	Flags                   []flagged
	Details                 []detail
	DetailsWord             string
	Place                   string
	Time, Datetime          string
}

// tone is how a state looks: its colour and its icon. The word beside them says
// the same.
func tone[S ~string](state S) (name, icon string) {
	switch string(state) {
	case string(StateDecrypted), string(KeyReleased), string(SenderVerified), string(CheckEqual):
		return "good", "✓"
	case string(SenderUnchecked), string(SenderUnverified), string(StateNoKey), string(StateUnknownKey), string(KeyWaiting), string(KeyNotConfigured), string(KeyUnreachable), string(CheckNotChecked):
		return "wait", "⊘"
	default:
		return "bad", "⚠"
	}
}

func (s *Server) head() head {
	total, best := s.feed.glance()
	key := s.key()
	h := head{verdict: s.verdict(key), attest: s.attestation(key), hero: s.hero(best)}
	h.counts = s.words.say("counts", "decrypted", strconv.Itoa(total.Decrypted), "unreadable", strconv.Itoa(total.Unreadable), "plain", strconv.Itoa(total.Plain))
	kafka := s.kafka()
	switch {
	case kafka.State != KafkaReading:
		h.kafka = s.words.say("kafka."+string(kafka.State), "cause", kafka.Cause, "check", kafka.Check, "t", kafka.Topic)
	case best == nil:
		h.kafka = s.words.say("kafka.reading.no_record", "t", kafka.Topic)
	}
	return h
}

func (s *Server) verdict(k KeyStatus) verdictView {
	w := s.words
	id := string(k.State)
	if k.State == KeyReleased && k.Reason != "" {
		id = "held"
	}
	via := w.say("via." + cmp.Or(k.Provider, "skr"))
	v := verdictView{Title: w.say("key."+id, "url", k.URL, "step", w.say("step."+k.Step, "via", via), "via", via, "time", clock(k.Since))}
	v.Tone, v.Icon = tone(k.State)
	v.Why, v.Todo = sentence(k.Reason), w.say("todo."+id)
	if k.State == KeyUnreachable {
		v.Why = "" // the title says it
	}
	if differs := k.differs(); differs != nil {
		v.Why = w.say("refused.claim", "claim", w.claim(differs.Claim), "x", differs.Expected, "y", cmp.Or(differs.Actual, w.say("check.unstated")))
	}
	if k.State != KeyNotConfigured {
		v.Again = w.say("again")
	}
	if v.Todo == "" || k.State == KeyWaiting && k.Hint != "" {
		v.Todo = k.Hint
	}
	switch {
	case k.Attempts == 0 || k.State == KeyReleased || k.State == KeyFromFile:
	case k.NextAttempt.IsZero():
		v.Tried = w.say("attempts", "n", strconv.Itoa(k.Attempts), "time", clock(k.Since))
	default:
		v.Tried = w.say("attempts.next", "n", strconv.Itoa(k.Attempts), "time", clock(k.Since), "next", clock(k.NextAttempt))
	}
	return v
}

// sentence makes a short reason one.
func sentence(reason string) string {
	if reason == "" {
		return ""
	}
	return strings.ToUpper(reason[:1]) + strings.TrimSuffix(reason[1:], ".") + "."
}

func (s *Server) hero(r *Record) heroView {
	if r == nil {
		return heroView{}
	}
	h := heroView{Found: true, Stored: displayOf(r.Wire), Seen: displayOf(r.shown()), Label: s.words.say("record." + string(r.State))}
	h.State, h.Icon = tone(r.State)
	if r.State != StateDecrypted && r.State != StatePlain {
		h.Seen = display{Text: s.words.say("encrypted")}
	}
	return h
}

func (s *Server) row(r revised) rowView {
	v := rowView{
		ID: rowID(r.Record), Seq: strconv.FormatUint(r.Seq, 10),
		Label: s.words.say("record." + string(r.State)), Why: s.why(r.Record),
		Value:    displayOf(r.shown()),
		Place:    fmt.Sprintf("%s / %d / %d", visible(r.Topic), r.Partition, r.Offset),
		Time:     utc(r.Timestamp),
		Datetime: rfc3339(r.Timestamp),
	}
	v.State, v.Icon = tone(r.State)
	v.Flags, v.Details, v.DetailsWord = s.flags(r.Record), s.details(r.Record), s.words.say("details")
	v.Sealed, v.Sender = r.Format != "" && r.Format != formatRSA, s.sender(r.Sender)
	v.SenderTone, _ = tone(r.Sender.state())
	switch {
	case r.shown() == nil && r.State != StateDecrypted:
		v.Value.Text = s.words.say("null")
	case len(r.shown()) == 0:
		v.Value.Text = s.words.say("empty")
	}
	if v.Value.Cut > 0 {
		v.Cut = s.words.say("cut", "shown", strconv.Itoa(maxShown), "all", strconv.Itoa(v.Value.Cut))
	}
	return v
}

// rowID names a record's row in the page, so that it can be replaced.
func rowID(r *Record) string {
	return fmt.Sprintf("r-%s-%d-%d", r.Topic, r.Partition, r.Offset)
}

// formatRSA is the one format that names neither key nor sender.
const formatRSA = "rsa"

func (s *Server) why(r *Record) string {
	id := "why." + string(r.State)
	if r.State == StateUndecryptable && r.Format == formatRSA {
		id += ".rsa"
	}
	return s.words.say(id, "id", r.KeyID, "needs", strings.Join(r.Needs, ", "), "ids", strings.Join(r.Holds, ", "), "o", strconv.FormatInt(r.Offset, 10))
}

func (s *Server) rows(records []revised) []rowView {
	rows := make([]rowView, len(records))
	for i, r := range records {
		rows[i] = s.row(r)
	}
	return rows
}
