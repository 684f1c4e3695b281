// Package severity says how serious the state of a record is, and what a pod says of it: one colour and one icon, on the
// pods' pages and on the lab's console.
//
//	name, icon := severity.OfRecord(feed.StateRejected, feed.RejectFormat)
//	name, icon = severity.OfFlag("repeat")
package severity

import (
	"slices"

	"kafka-e2ee/web/feed"
)

// The severities. They are classes of the style sheets.
const (
	Good    = "good"    // as it should be
	Wait    = "wait"    // it cannot be read or proven here, or not yet
	Bad     = "bad"     // somebody should look at it
	Neutral = "neutral" // of no interest
)

// OfRecord returns the severity of a record's state and its icon; the reason is that of a rejected one. One that is rejected
// for its format may be older than that requirement. A state that is not known is bad.
func OfRecord(state feed.State, reason feed.RejectReason) (name, icon string) {
	switch {
	case state == feed.StateDecrypted:
		return Good, "✓"
	case state == feed.StateTombstone:
		return Neutral, "–"
	case state == feed.StateNoKey, state == feed.StateUnknownKey, state == feed.StateNeedsHeader, state == feed.StateRejected && reason == feed.RejectFormat:
		return Wait, "⊘"
	default:
		return Bad, "⚠"
	}
}

// OfSender returns the severity of what is known of a record's sender, and its icon.
func OfSender(state feed.SenderState) (name, icon string) {
	switch state {
	case feed.SenderVerified:
		return Good, "✓"
	case feed.SenderUnchecked:
		return Neutral, "–"
	case feed.SenderUnverified:
		return Wait, "⊘"
	default:
		return Bad, "⚠"
	}
}

// FlagIcon is the icon of every flag.
const FlagIcon = "⚑"

// OfFlag returns the severity of a flag, by its name in the API. Every flag is a warning but the one that is normal after a
// start.
func OfFlag(name string) string {
	if name == "unfollowed" {
		return Neutral
	}
	return Bad
}

// OfProblem returns the severity of a problem that records have. A pod without a key could not have read an encrypted record
// that it rejects anyway.
func OfProblem(p feed.Problem, holdsKey bool) string {
	rejected := []feed.Problem{feed.ProblemRejectedSender, feed.ProblemRejectedReader, feed.ProblemRejectedStale}
	if p == feed.ProblemRejectedFormat || p == feed.ProblemRejectedUnsigned || !holdsKey && slices.Contains(rejected, p) {
		return Wait
	}
	return Bad
}
