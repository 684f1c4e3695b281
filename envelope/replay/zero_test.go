package replay_test

import (
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// Without this, a tracker that is a plain field could end the program, or see nothing.
func TestZeroTracker(t *testing.T) {
	var tracker replay.Tracker
	tracker.PartitionRevoked(0)
	tracker.Rewind(0, 0)
	tracker.TopicRecreated()
	tracker.FollowFrom(1, 0)
	msg := envelope.Message{Format: envelope.FormatEnvelope, DataKey: "k", Counted: true, Bound: true}
	for offset, want := range []string{"none", "repeat of offset 0"} {
		flags, err := tracker.Follow(&msg, replay.Position{Offset: int64(offset)})
		if err != nil || flags.String() != want {
			t.Errorf("offset %d: %s, %v, want %s", offset, flags, err, want)
		}
	}
	if flags := (replay.Flags{}).String(); flags != "none" {
		t.Errorf("no flags are %q", flags)
	}
}
