package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"kafka-e2ee/web/locale"
)

// view is everything that the page shows, in one language.
type view struct {
	localizer

	Assets    string // version
	Languages []locale.Texts
	Format    string
	Limit     int
	Data      string
	Busy      bool // an attack or a change runs: no change starts
	Changing  bool // a change runs: no attack starts either
	Where     Addresses

	Record   recordView
	Log      []logCell
	Scenario scenarioView
	Steps    []stepView
	Keys     []string // that the confidential pod holds, the newest first
	Attacks  attacksView
}

// view asks the demo, the pods and Kafka's log.
func (c *Console) view(l localizer) view {
	v := view{
		localizer: l, Assets: c.assets, Languages: c.languages.All(), Format: c.demo.Format(), Limit: c.demo.Limit(), Data: c.demo.Data(), Where: c.demo.Addresses(),
	}
	v.Busy, v.Changing = c.busy(), c.changing.Load() != nil
	records, reachable := c.stored.newest()
	settled := c.settled(records)
	v.Record = c.recordView(l, records, settled, reachable)
	v.Log = c.logView(l, settled, v.Record.at)
	v.Scenario = c.scenarioView(l)
	v.Steps = stepViews(l, c.demo.Timeline())
	for _, id := range c.demo.Keys() {
		v.Keys = append(v.Keys, shortKey(id))
	}
	v.Attacks = c.attacksView(l)
	return v
}

// disabled are the attributes of a button that cannot be pressed now, and says why. It stays in reach of the keyboard.
func (v view) disabled(now bool) templ.OrderedAttributes {
	if !now {
		return templ.OrderedAttributes{{Key: "aria-disabled", Value: "false"}}
	}
	return templ.OrderedAttributes{{Key: "aria-disabled", Value: "true"}, {Key: "title", Value: v.T("problem.busy")}}
}

// logCell is a record in the strip of earlier ones, in the state that the confidential pod shows.
type logCell struct {
	ID, Position    string
	Severity, Icon  string
	State           string
	Shown           bool // in the columns
	Typed, Attacked bool
	NewKey          string // start of its key's id, if the record is the first one for a new version of the key
}

// shownCells is how many records the strip holds.
const shownCells = 60

func (c *Console) logView(l localizer, records []storedRecord, shown position) []logCell {
	var cells []logCell
	typed, isTyped := c.demo.Typed()
	attacked, _ := c.demo.Attacked()
	records = records[max(0, len(records)-shownCells):]
	firsts := c.firstOfKeys(records)
	for _, r := range slices.Backward(records) {
		cell := logCell{
			ID: "r-" + strconv.Itoa(int(r.partition)) + "-" + strconv.FormatInt(r.offset, 10), Position: r.String(), Shown: r.position == shown,
			Typed:    isTyped && r.position == position{typed.Partition, typed.Offset},
			Attacked: slices.Contains(attacked.Seen.Records, Position{r.partition, r.offset}),
		}
		s := c.seen(l, c.confidential, r)
		cell.Severity, cell.Icon, cell.State = s.Severity, s.Icon, s.Label
		if len(s.Flags) > 0 {
			cell.State += ", " + s.Flags[0]
		}
		if key, ok := firsts[r.position]; ok {
			cell.NewKey = shortKey(key)
		}
		cells = append(cells, cell)
	}
	return cells
}

// firstOfKeys returns the first record of each key that the confidential pod opened records with, but for the oldest key.
func (c *Console) firstOfKeys(records []storedRecord) map[position]string {
	firsts, known := make(map[position]string), make(map[string]bool)
	for _, r := range records {
		shown, ok, _ := c.confidential.at(r)
		if !ok || shown.State != "decrypted" || shown.KeyID == "" || known[shown.KeyID] {
			continue
		}
		if len(known) > 0 {
			firsts[r.position] = shown.KeyID
		}
		known[shown.KeyID] = true
	}
	return firsts
}

// String returns PARTITION/OFFSET, as parsePosition reads it.
func (at position) String() string {
	return strconv.Itoa(int(at.partition)) + "/" + strconv.FormatInt(at.offset, 10)
}

// clock is the time of day on this computer, with the date unless that is today's.
func clock(at time.Time) string {
	at, now := at.Local(), time.Now() //nolint:gosmopolitan // the viewer sits at this computer
	if at.Year() != now.Year() || at.YearDay() != now.YearDay() {
		return at.Format("2006-01-02 15:04:05.000")
	}
	return at.Format("15:04:05.000")
}

type scenarioView struct {
	All     []scenarioChoice
	Summary string
	Next    countdown // the scenario's next event
	Attempt countdown // the pod's next request for its key
}

type scenarioChoice struct {
	Name, Label string
	Current     bool
}

// countdown is a moment that is announced. The page's script counts down to it.
type countdown struct {
	What   string
	Clock  string
	Millis string // since 1970; empty: none is planned
}

func (c *Console) scenarioView(l localizer) scenarioView {
	current := c.demo.Scenario()
	v := scenarioView{Summary: l.or("scenario."+current.Name+".summary", current.Summary)}
	chosen := current.Name
	if wanted := c.changing.Load(); wanted != nil {
		v.Summary, chosen = l.T("scenario.changing"), cmp.Or(*wanted, chosen)
	}
	for _, s := range c.demo.Scenarios() {
		v.All = append(v.All, scenarioChoice{s.Name, l.or("scenario."+s.Name+".name", s.Name), s.Name == chosen})
	}
	for _, e := range current.Events {
		if !e.Done {
			v.Next = newCountdown(l.or("scenario."+current.Name+".event", e.What), e.At)
			break
		}
	}
	if at, ok := c.demo.NextAttempt(); ok {
		v.Attempt = newCountdown(l.T("release.attempt"), at)
	}
	return v
}

func newCountdown(what string, at time.Time) countdown {
	return countdown{what, at.Local().Format(time.TimeOnly), strconv.FormatInt(at.UnixMilli(), 10)}
}

// stepView is one step of the key release.
type stepView struct {
	Name, Label    string
	Severity, Icon string
	Time           string
	Result         string // in words
	Failed         bool
	Reason         string
	ReasonLang     string
	Differs        string // what was compared
	Expected       string
	Measured       string
	Diff           []diffLine
}

type diffLine struct{ Class, Text string }

func stepViews(l localizer, steps []Step) []stepView {
	var views []stepView
	for _, s := range steps {
		v := stepView{
			Name: s.Name, Label: l.or("step."+s.Name, s.Name), Severity: "neutral", Icon: "·", Result: l.T("release.not_reached"), Failed: s.Failed,
			Reason: s.Reason, ReasonLang: "en", Differs: l.T("release.differs", "claim", l.or("claim."+s.Claim, s.Claim)), Expected: s.Expected, Measured: s.Measured, Diff: diffLines(s.Diff),
		}
		if wait := l.T("wait." + s.Wait); wait != "" {
			v.Reason, v.ReasonLang = wait, l.Lang
		}
		switch {
		case s.Failed && s.Wait != "":
			v.Severity, v.Icon, v.Result = "wait", "…", l.T("release.waits")
		case s.Failed:
			v.Severity, v.Icon, v.Result = "bad", "✗", l.T("release.failed")
		case !s.At.IsZero():
			v.Severity, v.Icon, v.Result = "good", "✓", l.T("release.done")
		}
		if !s.At.IsZero() {
			v.Time = clock(s.At)
		}
		views = append(views, v)
	}
	return views
}

// commandParts splits a command before its options and its address, so that a line breaks in none.
func commandParts(command string) (parts []string) {
	for _, word := range strings.Fields(command) {
		if n := len(parts); n > 0 && !strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "https:") {
			parts[n-1] += " " + word
			continue
		}
		parts = append(parts, word)
	}
	return parts
}

type attacksView struct {
	Formats []formatColumn
	Rows    []attackRow
	Running bool
	Last    lastAttack
}

type formatColumn struct {
	Name, Label string
	Policy      string // Label with what the pods require
	Current     bool
}

type attackRow struct {
	Name, Short, Tries string
	Running            bool
	Cells              []outcomeCell
}

type outcomeCell struct {
	Severity, Icon, Words string
	Current               bool
	Outcome               string
}

// lastAttack is the attack that runs, or the last one.
type lastAttack struct {
	Name, Tries string
	Outcome     outcomeCell
	Detail      string
	DetailLang  string
}

func (c *Console) attacksView(l localizer) attacksView {
	board, format := c.demo.Scoreboard(), c.demo.Format()
	last, tried := c.demo.Attacked()
	if began := c.demo.Scenario().Began; !last.Running && last.Ended.Before(began) { // it says nothing of these pods
		tried = false
	}
	started, next := c.attacks.names()
	if last.Running && started == last.Attack.Name {
		started = ""
	}
	v := attacksView{Running: last.Running}
	formats := []string{"rsa", "envelope-unsigned", "envelope"}
	for _, outcomes := range board {
		if outcomes["jwe"] != "" && format != "jwe" && !slices.Contains(formats, "jwe") {
			formats = append(formats, "jwe")
		}
	}
	if !slices.Contains(formats, format) {
		formats = append(formats, format)
	}
	for _, f := range formats {
		v.Formats = append(v.Formats, formatColumn{f, l.or("format."+f, f), l.or("attacks.format."+f, f), f == format})
	}
	for _, a := range c.demo.Attacks() {
		row := attackRow{Name: a.Name, Short: l.T("attack." + a.Name + ".short"), Tries: l.or("attack."+a.Name+".tries", a.Tries), Running: last.Running && last.Attack.Name == a.Name}
		for _, f := range formats {
			cell := l.outcome(board[a.Name][f])
			cell.Current = f == format
			switch {
			case cell.Current && row.Running:
				cell = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("outcome.running"), Current: true}
			case cell.Current && (a.Name == started || a.Name == next):
				cell = outcomeCell{Severity: "wait", Icon: "◔", Words: l.T("outcome.next"), Current: true}
			}
			row.Cells = append(row.Cells, cell)
		}
		if tried && last.Attack.Name == a.Name {
			v.Last = lastAttack{Name: a.Name, Tries: row.Tries}
		}
		v.Rows = append(v.Rows, row)
	}
	switch {
	case v.Last.Name == "":
	case last.Running:
		v.Last.Outcome = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("attacks.waits")}
	case last.Err != nil:
		v.Last.Outcome = outcomeCell{Severity: "bad", Icon: "⚠", Words: l.T("outcome.failed")}
		v.Last.Detail, v.Last.DetailLang = l.problem(last.Err)
	default:
		v.Last.Outcome, v.Last.Detail, v.Last.DetailLang = l.outcome(last.Seen.Outcome), l.said(last.Seen.Detail), l.Lang
		v.Last.Outcome.Words = l.or("became."+last.Seen.Outcome, v.Last.Outcome.Words)
	}
	return v
}

// said returns what the pod said of the attacked records in words: states, reasons and flags, separated by commas and
// semicolons, and counted.
func (l localizer) said(detail string) string {
	records := strings.Split(detail, "; ")
	for i, record := range records {
		count, names, counted := strings.Cut(record, " × ")
		if !counted {
			count, names = "", record
		}
		words := strings.Split(names, ", ")
		for j, name := range words {
			words[j] = l.word("said.", name)
		}
		records[i] = strings.Join(words, ", ")
		if counted {
			records[i] = count + " × " + records[i]
		}
	}
	return strings.Join(records, "; ")
}

// outcome shows what became of an attack. An outcome that the console does not know is shown as it is.
func (l localizer) outcome(name string) outcomeCell {
	cell := outcomeCell{Severity: "bad", Icon: "⚠", Words: cmp.Or(l.T("outcome."+name), name), Outcome: name}
	switch name {
	case "":
		cell.Severity, cell.Icon, cell.Words = "neutral", "–", l.T("outcome.none")
	case "refused":
		cell.Severity, cell.Icon = "good", "✓"
	case "flagged":
		cell.Severity, cell.Icon = "wait", "⚑"
	}
	return cell
}
