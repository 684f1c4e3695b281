package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kafka-e2ee/web/severity"
)

type scenarioView struct {
	All     []scenarioChoice
	Summary string
	Next    countdown // the scenario's next event
	Attempt countdown // the pod's next request for its key
}

type scenarioChoice struct {
	Name, Label string
	Summary     string // what it does
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
		chosen = cmp.Or(*wanted, chosen)
	}
	for _, s := range c.demo.Scenarios() {
		v.All = append(v.All, scenarioChoice{s.Name, l.or("scenario."+s.Name+".name", s.Name), l.or("scenario."+s.Name+".summary", s.Summary), s.Name == chosen})
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
	return countdown{what, seconds(at), strconv.FormatInt(at.UnixMilli(), 10)}
}

// released says when the pod's keys were released, and asked for again, as the pod's own page does; empty: it has none.
func (c *Console) released(l localizer) string {
	since, again, ok := c.demo.Released()
	if !ok {
		return ""
	}
	text := l.T("release.reported", "time", seconds(since))
	if !again.IsZero() {
		text += " · " + l.T("release.again", "time", seconds(again))
	}
	return text
}

// seconds is a time of day as the pods' pages write it.
func seconds(at time.Time) string { return at.UTC().Format("15:04:05 UTC") }

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

func (c *Console) stepViews(l localizer, steps []Step) []stepView {
	var views []stepView
	announced := slices.ContainsFunc(c.demo.Scenario().Events, func(e Event) bool { return !e.Done })
	got := false // the key, in the step before
	for _, s := range steps {
		v := stepView{
			Name: s.Name, Label: l.or("step."+s.Name, s.Name), Severity: severity.Neutral, Icon: "·", Result: l.T("release.not_reached"), Failed: s.Failed,
			Reason: s.Reason, ReasonLang: "en", Differs: l.T("release.differs", "claim", l.or("claim."+s.Claim, s.Claim)), Expected: s.Expected, Measured: s.Measured, Diff: diffLines(s.Diff),
		}
		wait := l.T("wait." + s.Wait)
		if s.Wait == WaitSidecar && announced {
			wait = l.T("wait.sidecar_soon")
		}
		if wait != "" {
			v.Reason, v.ReasonLang = wait, l.Lang
		}
		switch {
		case s.Failed && s.Wait != "":
			v.Severity, v.Icon, v.Result = severity.Wait, "…", l.T("release.waits")
		case s.Failed:
			v.Severity, v.Icon, v.Result = severity.Bad, "✗", l.T("release.failed")
		case !s.At.IsZero():
			v.Severity, v.Icon, v.Result = severity.Good, "✓", l.T("release.done")
		case s.Name == StepOpen && got && len(c.demo.Keys()) > 1: // the pod opens records, with the keys before this one
			v.Severity, v.Icon, v.Result, v.Time = severity.Wait, "…", l.T("release.waits"), l.T("release.of_new_key")
		}
		got = s.Name == StepKey && !s.Failed && !s.At.IsZero()
		if !s.At.IsZero() {
			v.Time = clock(s.At)
		}
		views = append(views, v)
	}
	return views
}

func diffLines(diff string) []diffLine {
	if diff == "" {
		return nil
	}
	var lines []diffLine
	for line := range strings.SplitSeq(strings.TrimSuffix(diff, "\n"), "\n") {
		d := diffLine{Text: line}
		switch {
		case strings.HasPrefix(line, "+"):
			d.Class = "added"
		case strings.HasPrefix(line, "-"):
			d.Class = "removed"
		}
		lines = append(lines, d)
	}
	return lines
}
