package pages

import (
	"slices"
	"strconv"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

// alertsView is the line that counts what is wrong, over the whole run. Each count filters the list. If nothing is wrong,
// the line says so, and what it cannot know.
type alertsView struct {
	Severity, Icon string
	List           []alertView
	Calm           string // in place of the list
	Limits         string // what cannot be seen here: see limits
}

// alertView counts the records with a problem.
type alertView struct {
	Problem               feed.Problem
	Severity, Text, About string
}

// alerts counts the problems since this process started. Unsigned records are one only if senders are trusted here. The
// line is as severe as the worst of them.
func (l Localizer) alerts(summary feed.Summary, started time.Time, sendersTrusted, holdsKey bool) alertsView {
	v := alertsView{Limits: l.limits(summary, sendersTrusted)}
	for _, p := range feed.Problems() {
		n := summary.Counts.Of(p)
		if n == 0 || p == feed.ProblemUnsigned && !sendersTrusted {
			continue
		}
		v.List = append(v.List, alertView{p, severity.OfProblem(p, holdsKey), l.N("problem.count."+string(p), n, "n", thousands(n)), l.T("problem.about." + string(p))})
		if !holdsKey && severity.OfProblem(p, holdsKey) == severity.Wait {
			v.Limits = l.T("alerts.no_key")
		}
	}
	sequence := []feed.Problem{feed.ProblemRepeat, feed.ProblemGap, feed.ProblemLate, feed.ProblemMoved, feed.ProblemStale}
	if newest := uncounted(summary); newest != "" && slices.ContainsFunc(v.List, func(a alertView) bool { return slices.Contains(sequence, a.Problem) }) {
		v.Limits = l.T("alerts.limits_newest", "format", newest)
	}
	switch {
	case slices.ContainsFunc(v.List, func(a alertView) bool { return a.Severity == severity.Bad }):
		v.Severity, v.Icon = severity.Bad, "⚠"
	case len(v.List) > 0:
		v.Severity, v.Icon = severity.Wait, "⊘"
	case summary.Counts.Decrypted == 0:
		v.Severity, v.Icon, v.Calm = "neutral", "–", l.T("alerts.unchecked")
	case v.Limits != "":
		v.Severity, v.Icon = "wait", "⊘"
	default:
		v.Severity, v.Icon, v.Calm = "good", "✓", l.T("alerts.none", "time", clock(started, summary.At))
	}
	return v
}

// limits says which attacks nobody would notice here: those that the format of the sample cannot show, because its records
// are neither counted nor signed, or a forgery, because no senders are trusted.
func (l Localizer) limits(summary feed.Summary, sendersTrusted bool) string {
	switch format := uncounted(summary); {
	case summary.Counts.Decrypted == 0:
		return ""
	case format != "":
		return l.T("alerts.limits", "format", format)
	case !sendersTrusted:
		return l.T("alerts.limits_senders")
	default:
		return ""
	}
}

// uncounted returns the format of the sample if its records are neither counted nor signed, so that nothing that is said of
// a sequence is said of them; else the empty string.
func uncounted(summary feed.Summary) string {
	if r := summary.Sample; r != nil && r.State == feed.StateDecrypted && r.DataKey.ID == "" {
		return safetext.Visible(r.Format)
	}
	return ""
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
