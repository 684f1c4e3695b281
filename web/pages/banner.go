package pages

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/safetext"
)

// bannerView says whether there is a key, why not, what to do about it, and when it was asked for.
type bannerView struct {
	ID, Severity, Icon, Title, Reported, When, Why, Todo, Tried, Again string

	Keys []heldView // that are held
}

// heldView is a key that is held.
type heldView struct {
	chip
	ID, Since string
}

// bannerID returns the state that the banner shows, which is more specific than the API's.
func bannerID(k podstatus.Key) string {
	switch {
	case k.State == podstatus.KeyReleased && k.Reason != "":
		return "held"
	case (k.State == podstatus.KeyRefused || k.State == podstatus.KeyUnreachable) && k.Pending != "":
		return string(k.Pending)
	case k.State == podstatus.KeyWaiting && k.Provider == "file" && k.Reason != "":
		return "no_file"
	case k.State == podstatus.KeyNotConfigured && len(k.Missing) > 0:
		return "incomplete"
	}
	return string(k.State)
}

func (l Localizer) banner(k podstatus.Key, now time.Time) bannerView {
	id, provider := bannerID(k), cmp.Or(k.Provider, "skr")
	via, missing := l.T("key.via."+provider), strings.Join(k.Missing, ", ")
	v := bannerView{
		ID:    id,
		Title: l.T("key.state."+id, "url", k.URL, "step", l.T("key.step."+k.Step, "via", via), "via", via, "time", clock(k.Since, now)),
		Why:   l.Cause(k.Reason), Todo: l.T("key.todo."+id, "names", missing), Tried: l.attempts(k, now),
	}
	v.Severity, v.Icon = keySeverity(k.State)
	switch id {
	case string(podstatus.PendingBusy), string(podstatus.PendingUnavailable), string(podstatus.PendingNoProof), string(podstatus.PendingStarting):
		v.Severity, v.Icon = "wait", "◔"
	case "incomplete":
		v.Why = l.T("key.why.incomplete", "names", missing)
	case "no_file":
		v.Severity, v.Icon = "bad", "⚠"
	case string(podstatus.KeyWaiting):
		v.Icon = "◔"
	case string(podstatus.KeyUnreachable):
		v.Title = l.T("key.nobody." + provider)
		v.Why = l.T("key.unreachable."+provider, "url", safetext.Visible(k.URL)) // the title tells the cause
	case string(podstatus.KeyRefused):
		v.Title = l.T("key.refused."+k.Step, "via", via)
	case string(podstatus.KeyUnexpected):
		v.Why = joinSentences(v.Why, l.unexpected(k))
	case string(podstatus.KeyReleased):
		v.Reported = l.T("key.reported."+provider, "time", clock(k.Since, now))
	}
	check := k.Differs()
	if check != nil {
		v.Why, v.Todo = l.difference(*check), l.remedy(check.Claim)
	}
	if v.Todo == "" || k.State == podstatus.KeyWaiting && k.Reason != "" {
		v.Todo = l.hint(k.Reason)
	}
	if k.State != podstatus.KeyNotConfigured {
		v.Again = l.T("key.check_again")
	}
	switch {
	case v.Reported != "":
		v.When = v.Reported
		if !k.Confirmed.IsZero() {
			v.When += " · " + l.T("key.tried.again", "time", clock(k.Confirmed, now))
		}
	case !k.NextAttempt.IsZero():
		v.When = l.T("key.tried.next", "time", clock(k.NextAttempt, now))
	default:
		v.When = l.T("key.tried.since", "time", clock(k.Since, now))
	}
	if check != nil {
		v.When += " · " + l.T("key.why.differs", "claim", l.Claim(check.Claim))
	}
	for _, key := range k.Held {
		v.Keys = append(v.Keys, heldView{newChip(key.ID), key.ID, l.T("key.held_since", "time", utc(key.Since))})
	}
	return v
}

// KeyReason says what the banner says in one paragraph, for programs. They keep it, so its times have dates.
func (l Localizer) KeyReason(k podstatus.Key) string {
	v := l.banner(k, time.Time{})
	return joinSentences(v.Title+".", asSentence(v.Reported), v.Why, v.Todo)
}

// unexpected names the keys that were released and are not used, those that are expected, and says what remains in use.
func (l Localizer) unexpected(k podstatus.Key) string {
	var released []string
	held := ""
	for _, key := range k.Keys {
		if key.UnexpectedID != "" {
			released = append(released, key.UnexpectedID)
		}
		if key.ID != "" {
			held = l.T("key.why.held")
		}
	}
	return joinSentences(l.T("key.why.unexpected", "released", strings.Join(released, ", "), "expected", strings.Join(k.ExpectedIDs, ", ")), held)
}

// Unproven says what the page cannot prove, before the command that checks it from outside.
func (l Localizer) Unproven(k podstatus.Key) string {
	provider := cmp.Or(k.Provider, "skr")
	if provider == "skr" && k.Verify == "" {
		return l.T("key.unproven.none")
	}
	return l.T("key.unproven." + provider)
}

// Cause says why there is no key or no token. A code without a text stands for itself.
func (l Localizer) Cause(code string) string { return cmp.Or(l.T("key.cause."+code), code) }

// hint says what to do about a cause.
func (l Localizer) hint(code string) string { return l.T("key.hint." + code) }

// difference says how a claim differs from what the release policy demands.
func (l Localizer) difference(c podstatus.Check) string {
	if c.Claim == claimDebuggable && c.Expected == "false" && c.Actual == "true" {
		return l.T("key.why.debugging")
	}
	return l.T("key.why.claim", "claim", l.Claim(c.Claim), "expected", safetext.Visible(c.Expected), "measured", cmp.Or(safetext.Visible(c.Actual), l.T("check.unstated")))
}

// attempts returns a text with the start of the state, the number of attempts and the time of the next one.
func (l Localizer) attempts(k podstatus.Key, now time.Time) string {
	text := l.T("key.tried.since", "time", utc(k.Since))
	if k.Attempts > 0 {
		text += " · " + l.N("key.tried.attempts", k.Attempts)
	}
	if !k.NextAttempt.IsZero() {
		text += " · " + l.T("key.tried.next", "time", clock(k.NextAttempt, now))
	}
	return text
}

// asSentence returns a text as a sentence.
func asSentence(text string) string {
	if text == "" {
		return ""
	}
	return text + "."
}

// joinSentences joins the sentences that are not empty.
func joinSentences(sentences ...string) string {
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}
