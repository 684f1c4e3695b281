package severity

import (
	"testing"

	"kafka-e2ee/web/feed"
)

// Without this the pods' pages and the console would show one state in two colours, or an attack like a pod that waits.
func TestSeverity(t *testing.T) {
	for state, want := range map[feed.State]string{
		feed.StateDecrypted: Good, feed.StateTombstone: Neutral, feed.StateNoKey: Wait, feed.StateUnknownKey: Wait, feed.StateNeedsHeader: Wait,
		feed.StateUndecryptable: Bad, feed.StateMalformed: Bad, feed.StatePlain: Bad, feed.StateRejected: Bad, feed.StateOversized: Bad, feed.StateDamaged: Bad, "unheard-of": Bad,
	} {
		if got, icon := OfRecord(state, ""); got != want || icon == "" {
			t.Errorf("%s is %s %s, want %s", state, icon, got, want)
		}
	}
	for reason, want := range map[feed.RejectReason]string{feed.RejectFormat: Wait, feed.RejectPlain: Bad, feed.RejectSender: Bad, feed.RejectReader: Bad, feed.RejectStale: Bad} {
		if got, _ := OfRecord(feed.StateRejected, reason); got != want {
			t.Errorf("rejected for %s is %s, want %s", reason, got, want)
		}
	}
	for state, want := range map[feed.SenderState]string{feed.SenderVerified: Good, feed.SenderUnchecked: Neutral, feed.SenderUnverified: Wait, feed.SenderUntrusted: Bad, "unheard-of": Bad} {
		if got, _ := OfSender(state); got != want {
			t.Errorf("a sender that is %s is %s, want %s", state, got, want)
		}
	}
	for flag, want := range map[string]string{"repeat": Bad, "gap": Bad, "late": Bad, "stale": Bad, "moved": Bad, "unbound": Bad, "readers": Bad, "unheard-of": Bad, "unfollowed": Neutral} {
		if got := OfFlag(flag); got != want {
			t.Errorf("the flag %s is %s, want %s", flag, got, want)
		}
	}
}

// Without this the records from before a requirement would be as red as an attack, also where nobody could read them.
func TestProblems(t *testing.T) {
	for _, p := range feed.Problems() {
		for _, holdsKey := range []bool{true, false} {
			want := Bad
			if p == feed.ProblemRejectedFormat || p == feed.ProblemRejectedUnsigned || !holdsKey && (p == feed.ProblemRejectedSender || p == feed.ProblemRejectedReader || p == feed.ProblemRejectedStale) {
				want = Wait
			}
			if got := OfProblem(p, holdsKey); got != want {
				t.Errorf("%s, key %v: %s, want %s", p, holdsKey, got, want)
			}
		}
	}
}
