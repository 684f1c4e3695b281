package replay_test

import (
	"testing"

	"kafka-e2ee/envelope/replay"
)

// Without this, following would cost the garbage collector an object for each record.
func TestFollowingAllocatesNothing(t *testing.T) {
	tracker := replay.NewTracker(replay.Config{})
	msg, offset := signedKey{name: "k"}.record(0, 0), int64(0)
	follow := func() {
		mustFollow(tracker, msg, replay.Position{Offset: offset, AppendedAfter: noon})
		msg.Counter, offset = msg.Counter+1, offset+1
	}
	for range 1000 { // fills the window
		follow()
	}
	if n := testing.AllocsPerRun(1000, follow); n > 0 {
		t.Errorf("%v allocations for each record", n)
	}
}
