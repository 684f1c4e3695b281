package replay_test

import (
	"fmt"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// BenchmarkTracker measures what following a record costs, with the data keys of several
// senders in turn and in order.
func BenchmarkTracker(b *testing.B) {
	for _, keys := range []int{1, 4} {
		b.Run(fmt.Sprintf("%d data keys", keys), func(b *testing.B) {
			tracker := replay.NewTracker(replay.Config{})
			messages := make([]*envelope.Message, keys)
			for i := range messages {
				messages[i] = signedKey{name: fmt.Sprintf("%d: a data key with a name of 43 characters", i), sender: fmt.Sprintf("sender %d", i)}.record(0, 0)
			}
			b.ReportAllocs()
			for offset := int64(0); b.Loop(); offset++ {
				msg := messages[offset%int64(keys)]
				if flags, err := tracker.Follow(msg, replay.Position{Offset: offset}); err != nil || flags != (replay.Flags{}) {
					b.Fatal(flags, err)
				}
				msg.Counter++
			}
		})
	}
}
