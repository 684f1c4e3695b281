package web

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// verdictView is what became of the key, why, what to do, and how it was tried.
type verdictView struct {
	Tone, Icon, Title, Why, Todo, Tried, Again string
	Unproven, Verify                           string // what the page cannot prove, and the command that shows it from outside
}

// verdictID is the state by which the words are chosen: finer than the API's.
func (k KeyStatus) verdictID() string {
	switch {
	case k.State == KeyReleased && k.Reason != "":
		return "held"
	case k.State == KeyRefused && k.Passing != "":
		return string(k.Passing)
	case k.State == KeyWaiting && k.Provider == "file" && k.Reason != "":
		return "no_file"
	}
	return string(k.State)
}

func (w words) verdict(k KeyStatus) verdictView {
	id, provider := k.verdictID(), cmp.Or(k.Provider, "skr")
	via := w.say("via." + provider)
	v := verdictView{
		Title: w.say("key."+id, "url", k.URL, "step", w.say("step."+k.Step, "via", via), "via", via, "time", clock(k.Since)),
		Why:   sentence(w.phrase(k.Reason)), Todo: w.say("todo." + id), Verify: k.Verify,
		Unproven: w.say("unproven." + provider),
	}
	v.Tone, v.Icon = tone(k.State)
	if provider == "skr" && k.Verify == "" {
		v.Unproven = w.say("unproven.none")
	}
	switch id {
	case string(PassingBusy), string(PassingAway):
		v.Tone, v.Icon = "wait", "◔"
	case "no_file":
		v.Tone, v.Icon = "bad", "⚠"
	case string(KeyWaiting):
		v.Icon = "◔"
	case string(KeyUnreachable):
		v.Why = w.say("why.key.unreachable." + provider) // what is wrong is in the title
	}
	if differs := k.differs(); differs != nil {
		v.Why = w.say("refused.claim", "claim", w.claim(differs.Claim), "x", differs.Expected, "y", cmp.Or(differs.Actual, w.say("check.unstated")))
		v.Todo = w.remedy(differs.Claim)
	}
	if v.Todo == "" || k.State == KeyWaiting && k.Hint != "" {
		v.Todo = w.phrase(k.Hint)
	}
	if k.State != KeyNotConfigured {
		v.Again = w.say("again")
	}
	v.Tried = w.tried(k)
	return v
}

// tried says since when it is so, how often it was tried and when next.
func (w words) tried(k KeyStatus) string {
	id := "tried.since"
	if k.Attempts > 0 {
		id = "tried"
	}
	text := w.say(id, "n", strconv.Itoa(k.Attempts), "time", utc(k.Since))
	if !k.NextAttempt.IsZero() {
		text += " · " + w.say("tried.next", "time", clock(k.NextAttempt))
	}
	return text
}

// sentence makes a short English reason one; those in Japanese are sentences.
func sentence(reason string) string {
	if reason == "" || reason[0] >= utf8.RuneSelf {
		return reason
	}
	return strings.ToUpper(reason[:1]) + strings.TrimSuffix(reason[1:], ".") + "."
}
