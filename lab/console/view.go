package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/static"
)

// view is everything that the page shows, in one language.
type view struct {
	localizer

	Files     static.Files
	Languages []locale.Texts
	Format    string
	Limit     int
	Data      string
	Busy      bool   // an attack or a change runs: no change starts
	Changing  bool   // a change runs: no attack starts either
	Waits     string // why no change starts, in words; empty: one would
	Where     Addresses

	Record   recordView
	Log      []logCell
	Legend   []string // what the dashes in the log mean
	Scenario scenarioView
	Steps    []stepView
	Keys     []string // that the confidential pod holds, the newest first
	Released string   // when, in the words of the pod's own page
	Opened   string   // how many records the key opened that the pod had shown as ciphertext
	Attacks  attacksView
}

// view asks the demo, the pods and Kafka's log.
func (c *Console) view(l localizer) view {
	v := view{
		localizer: l, Files: c.files, Languages: c.languages.All(), Format: c.demo.Format(), Limit: c.demo.Limit(), Data: c.demo.Data(), Where: c.demo.Addresses(),
	}
	v.Busy, v.Changing = c.busy(), c.changing.Load() != nil
	v.Waits = c.waits(l)
	records, reachable := c.stored.newest()
	settled := c.settled(records)
	v.Record = c.recordView(l, records, settled, reachable)
	v.Log = c.logView(l, settled, v.Record.at)
	v.Legend = legend(v.Log)
	v.Scenario = c.scenarioView(l)
	v.Steps = c.stepViews(l, c.demo.Timeline())
	for _, id := range c.demo.Keys() {
		v.Keys = append(v.Keys, shortKey(id))
	}
	v.Released = c.released(l)
	if n := c.confidential.justOpened(); n > 0 {
		v.Opened = l.T("key.opened", "n", strconv.Itoa(n))
	}
	v.Attacks = c.attacksView(l)
	return v
}

// waits says what a change would have to wait for; empty: nothing.
func (c *Console) waits(l localizer) string {
	attacked, _ := c.demo.Attacked()
	started, next := c.attacks.names()
	switch {
	case c.changing.Load() != nil:
		return l.T("waits.change")
	case attacked.Running:
		return l.T("waits.attack", "attack", attacked.Attack.Name)
	case started != "" || next != "":
		return l.T("waits.attack", "attack", cmp.Or(started, next))
	}
	return ""
}

// Failed reports whether a step of the key's release failed.
func (v view) Failed() bool {
	return slices.ContainsFunc(v.Steps, func(s stepView) bool { return s.Failed })
}

// pressable are the attributes of a button: what it does, or why it cannot be pressed now. It stays in reach of the keyboard.
func (v view) pressable(disabled bool, does string) templ.OrderedAttributes {
	switch {
	case !disabled && does == "":
		return templ.OrderedAttributes{{Key: "aria-disabled", Value: "false"}}
	case !disabled:
		return templ.OrderedAttributes{{Key: "aria-disabled", Value: "false"}, {Key: "title", Value: does}}
	}
	return templ.OrderedAttributes{{Key: "aria-disabled", Value: "true"}, {Key: "aria-describedby", Value: "waits"}, {Key: "title", Value: cmp.Or(v.Waits, v.T("problem.busy"))}}
}

// clock is the time of day in UTC, as on the pods' pages, with the date unless that is today's.
func clock(at time.Time) string {
	at, now := at.UTC(), time.Now().UTC()
	if at.Year() != now.Year() || at.YearDay() != now.YearDay() {
		return at.Format("2006-01-02 15:04:05.000")
	}
	return at.Format("15:04:05.000")
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
