package console

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// view is everything that the page shows, in one language.
type view struct {
	localizer

	Assets    string // version
	Languages []localizer
	Format    string
	Limit     int
	Data      string
	Busy      bool // an attack or a change runs: no other one starts
	Where     Addresses

	Record   recordView
	Log      []logCell
	Scenario scenarioView
	Steps    []stepView
	Attacks  attacksView
}

// view asks the demo, the pods and Kafka's log.
func (c *Console) view(l localizer) view {
	v := view{
		localizer: l, Assets: c.assets, Languages: c.languages.all, Format: c.demo.Format(), Limit: c.demo.Limit(), Data: c.demo.Data(), Where: c.demo.Addresses(),
	}
	v.Busy = c.busy()
	records, reachable := c.stored.newest()
	settled := c.settled(records)
	v.Record = c.recordView(l, records, settled, reachable)
	v.Log = c.logView(l, settled, v.Record.at)
	v.Scenario = c.scenarioView(l)
	if c.changing.Load() {
		v.Scenario.Summary = l.T("scenario.changing")
	}
	v.Steps = stepViews(l, c.demo.Timeline())
	v.Attacks = c.attacksView(l)
	return v
}

// logCell is a record in the strip of earlier ones, in the state that the confidential pod shows.
type logCell struct {
	ID, Position    string
	Severity, Icon  string
	State           string
	Shown           bool // in the columns
	Typed, Attacked bool
}

// shownCells is how many records the strip holds.
const shownCells = 60

func (c *Console) logView(l localizer, records []storedRecord, shown position) []logCell {
	var cells []logCell
	typed, isTyped := c.demo.Typed()
	attacked, _ := c.demo.Attacked()
	for _, r := range slices.Backward(records[max(0, len(records)-shownCells):]) {
		cell := logCell{
			ID: "r-" + strconv.Itoa(int(r.partition)) + "-" + strconv.FormatInt(r.offset, 10), Position: r.position.String(), Shown: r.position == shown,
			Typed:    isTyped && r.position == position{typed.Partition, typed.Offset},
			Attacked: slices.Contains(attacked.Seen.Records, Position{r.partition, r.offset}),
		}
		s := c.seen(l, c.confidential, r)
		cell.Severity, cell.Icon, cell.State = s.Severity, s.Icon, s.Label
		if len(s.Flags) > 0 {
			cell.State += ", " + s.Flags[0]
		}
		cells = append(cells, cell)
	}
	return cells
}

// String returns PARTITION/OFFSET, as parsePosition reads it.
func (at position) String() string {
	return strconv.Itoa(int(at.partition)) + "/" + strconv.FormatInt(at.offset, 10)
}

// clock is the time of day on this computer.
func clock(at time.Time) string { return at.Local().Format("15:04:05.000") } //nolint:gosmopolitan // the viewer sits at this computer

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
	for _, s := range c.demo.Scenarios() {
		v.All = append(v.All, scenarioChoice{s.Name, l.or("scenario."+s.Name+".name", s.Name), s.Name == current.Name})
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
		if wait, ok := l.texts["wait."+s.Wait]; ok {
			v.Reason, v.ReasonLang = wait, l.lang
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
	v := attacksView{Running: last.Running}
	formats := []string{"rsa", "envelope"}
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
			if cell.Current = f == format; cell.Current && row.Running {
				cell = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("outcome.running"), Current: true}
			}
			row.Cells = append(row.Cells, cell)
		}
		if tried && last.Attack.Name == a.Name {
			v.Last = lastAttack{Name: a.Name, Tries: row.Tries, DetailLang: "en"}
		}
		v.Rows = append(v.Rows, row)
	}
	switch {
	case v.Last.Name == "":
	case last.Running:
		v.Last.Outcome = outcomeCell{Severity: "wait", Icon: "…", Words: l.T("outcome.running")}
	case last.Err != nil:
		v.Last.Outcome = outcomeCell{Severity: "bad", Icon: "⚠", Words: l.T("outcome.failed")}
		v.Last.Detail, v.Last.DetailLang = l.problem(last.Err)
	default:
		v.Last.Outcome, v.Last.Detail = l.outcome(last.Seen.Outcome), last.Seen.Detail
	}
	return v
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
