package console

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

// recordView is one record in four columns.
type recordView struct {
	at    Position
	Found bool
	None  string // in place of a record
	Mode  mode
	Held  countdown // until when a moment stays

	Attack    string // of the attacked record, while it stays
	Restarted bool   // the pods were, and with that a record was let go

	Position     string
	Plain        columnView
	Stored       columnView
	Facts        []fact
	Confidential columnView
	Ordinary     columnView
}

type fact struct{ Name, Value string }

// columnView is a record as one party sees it.
type columnView struct {
	Severity, Icon, Label string
	Text                  string
	Size                  string // class of the text: the shorter, the larger
	Skipped               string // says what is left out at the start, or is not there
	Cipher                bool   // Text is ciphertext
	Key                   string // start of the id of the key that opened it
	Note                  string // says more than Label, below the text
	Sender                string
	SenderSeverity        string
	SenderIcon            string
	Flags                 []string
	Attack                string // what became of an attack on the record, when it was observed
	AttackSeverity        string
	AttackIcon            string
}

// recordView shows the newest settled record, or any that is held.
func (c *Console) recordView(l localizer, records, settled []storedRecord, reachable bool) recordView {
	if len(settled) == 0 {
		none := l.T("record.none")
		if !reachable {
			none = l.T("record.kafka_away")
		}
		return recordView{None: none, Mode: modeNewest}
	}
	if attacked, _ := c.demo.Attacked(); attacked.Running {
		c.selection.endAttacked()
	}
	restarted := c.selection.restarted(c.restarted())
	at, mode := c.selection.show(settled[len(settled)-1].Position, c.moments(settled)...)
	v := recordView{at: at, Mode: mode, Restarted: restarted && mode == modeNewest, Position: at.String()}
	if m, until, held := c.selection.held(); held {
		v.Held = newCountdown("", until)
		if m.mode == modeAttacked {
			v.Attack = m.attack
		}
	}
	r, found := findRecord(records, at)
	if !found {
		v.None = l.T("record.gone", "position", v.Position)
		return v
	}
	v.Found = true
	v.Plain = c.plain(l, r)
	v.Stored, v.Facts = c.operator(l, r), l.facts(c.demo.Addresses().Topic, r)
	v.Confidential, v.Ordinary = c.seenSince(l, r), c.seen(l, c.ordinary, r)
	return v
}

// restarted returns when the pods were, for another scenario or format.
func (c *Console) restarted() time.Time {
	at := c.demo.Scenario().Began
	if last, ok := c.demo.Switched(); ok && last.At.After(at) {
		return last.At
	}
	return at
}

// moments returns the latest moments whose records are there.
func (c *Console) moments(records []storedRecord) []moment {
	var all []moment
	add := func(m moment) {
		if _, found := findRecord(records, m.record); found {
			all = append(all, m)
		}
	}
	if typed, ok := c.demo.Typed(); ok {
		add(moment{mode: modeTyped, record: typed.Position, at: typed.At})
	}
	attacked, _ := c.demo.Attacked()
	switch {
	case len(attacked.Seen.Withheld) > 0: // the one that is lost, and not one of those around it
		lost := attacked.Seen.Withheld[0]
		add(moment{modeAttacked, lost.Position, attacked.Ended, attacked.Attack.Name})
	case len(attacked.Seen.Records) > 0:
		add(moment{modeAttacked, c.mostSevere(records, attacked.Seen.Records), attacked.Ended, attacked.Attack.Name})
	}
	return all
}

// mostSevere returns the first record that the confidential pod warns of, or the first.
func (c *Console) mostSevere(records []storedRecord, attacked []Position) Position {
	for _, at := range attacked {
		if r, found := findRecord(records, at); found && c.seen(c.english(), c.confidential, r).Severity == severity.Bad {
			return r.Position
		}
	}
	return attacked[0]
}

// settleTime is how long a record waits for the pods, before it is shown without them.
const settleTime = 1500 * time.Millisecond

// settled leaves out the newest records until both pods have shown them: the columns change together.
func (c *Console) settled(records []storedRecord) []storedRecord {
	for len(records) > 0 {
		newest := records[len(records)-1]
		if time.Since(newest.read) > settleTime || c.confidential.hasShown(newest) && c.ordinary.hasShown(newest) {
			break
		}
		records = records[:len(records)-1]
	}
	return records
}

func findRecord(records []storedRecord, at Position) (storedRecord, bool) {
	for _, r := range records {
		if r.Position == at {
			return r, true
		}
	}
	return storedRecord{}, false
}

// plain is what the producer encrypted: as this record, as the record that somebody copied, or as another one that was here.
func (c *Console) plain(l localizer, r storedRecord) columnView {
	wrote, ok := c.demo.Wrote(r.sum)
	if ok && wrote.Position == r.Position {
		return message(columnView{Severity: severity.Neutral, Icon: "✎", Label: l.T("plain.sent")}, wrote.Text)
	}
	if ok {
		v := columnView{Severity: severity.Bad, Icon: "⚠", Label: l.T("plain.copied", "position", wrote.String()), Note: l.T("plain.copied_more")}
		return message(v, wrote.Text)
	}
	if read, ok := c.readAt(r.Position); ok && read.Resealed {
		return message(columnView{Severity: severity.Bad, Icon: "⚠", Label: l.T("plain.resealed"), Note: l.T("plain.resealed_more")}, read.Text)
	}
	if text, sent := c.demo.Sent(r.Partition, r.Offset); sent {
		return message(columnView{Severity: severity.Bad, Icon: "⚠", Label: l.T("plain.other"), Note: l.T("plain.other_more")}, text)
	}
	never := "plain.never"
	if wrote.Forgot {
		never = "plain.unknown"
	}
	return columnView{Severity: severity.Bad, Icon: "⚠", Label: l.T(never), Text: l.T(never + "_more"), Size: "words"}
}

// message shows a text, the larger the shorter. Of a JSON object it shows one member a line.
func message(v columnView, text string) columnView {
	if lines := members(text); lines != "" {
		v.Text, v.Size = lines, "json"
		return v
	}
	v.Text = safetext.NewPreview([]byte(text)).Text
	switch n := utf8.RuneCountInString(v.Text); {
	case n <= 40:
		v.Size = "large"
	case n <= 120:
		v.Size = "middle"
	default:
		v.Size = "small"
	}
	return v
}

// members returns a short JSON object with one member a line, without its braces; empty if it is none.
func members(text string) string {
	var indented bytes.Buffer
	if !strings.HasPrefix(text, "{") || len(text) > 1<<10 || json.Indent(&indented, []byte(text), "", "  ") != nil {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(indented.String(), "\n") {
		if line = strings.TrimPrefix(line, "  "); line != "{" && line != "}" {
			lines = append(lines, safetext.Visible(strings.TrimSuffix(line, ",")))
		}
	}
	return strings.Join(lines, "\n")
}

// ciphertext shows the stored bytes, without a header that an earlier record has as well.
func (l localizer) ciphertext(v columnView, r storedRecord) columnView {
	skip := 0
	switch {
	case r.header.lean:
		v.Skipped = l.T("stored.lean")
	case r.repeated && r.header.size < len(r.value):
		skip, v.Skipped = r.header.size, l.header(r.header)
	}
	v.Text, v.Size, v.Cipher = safetext.PreviewFrom(r.value, skip).Text, "cipher", true
	return v
}

// operator is what Kafka's operators see of the value: what is stored, or the message, if a private key of their own has
// decrypted it.
func (c *Console) operator(l localizer, r storedRecord) columnView {
	if read, ok := c.readAt(r.Position); ok {
		return message(columnView{Severity: severity.Bad, Icon: "⚠", Label: l.T("stored.read"), Note: l.T("stored.read_more")}, read.Text)
	}
	return l.stored(r)
}

// readAt returns what Kafka's operator has read of the record at a position. It is false if they have not read it.
func (c *Console) readAt(at Position) (Reading, bool) {
	attack, _ := c.demo.AttackedAt(at)
	for _, read := range attack.Read {
		if read.Position == at {
			return read, true
		}
	}
	return Reading{}, false
}

// stored is what Kafka's operators see of the value without a key.
func (l localizer) stored(r storedRecord) columnView {
	v := columnView{Severity: severity.Neutral, Icon: "≡", Label: l.T("stored.text")}
	switch {
	case r.null:
		v.Label, v.Text, v.Size = l.T("stored.null"), l.T("stored.null_more"), "words"
		return v
	case r.deleted:
		v.Icon, v.Label = "✗", l.T("stored.deleted")
	case !utf8.Valid(r.value):
		v.Label = l.T("stored.bytes")
	}
	return l.ciphertext(v, r)
}

// facts are what nothing encrypts.
func (l localizer) facts(topic string, r storedRecord) []fact {
	key := l.T("fact.no_key")
	if r.key != nil {
		key = safetext.PreviewKey(r.key)
	}
	return []fact{
		{l.T("fact.topic"), safetext.Visible(topic)},
		{l.T("fact.size"), l.T("fact.bytes", "n", strconv.Itoa(r.size))},
		{l.T("fact.position"), r.String()},
		{l.T("fact.key"), key},
		{l.T("fact.time"), clock(r.at)},
	}
}
