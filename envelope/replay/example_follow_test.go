package replay_test

import (
	"fmt"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// opened is a message as an opener returns it: from alice, with a counter. The data key was first used at a time.
func opened(counter uint64, first time.Time) *envelope.Message {
	return &envelope.Message{
		Format: envelope.FormatEnvelope, Plaintext: []byte("hello"), Sender: envelope.Sender{State: envelope.SenderVerified, Name: "alice"},
		DataKey: first.String(), Counter: counter, Counted: true, Bound: true, IssuedAt: first, Expires: first.Add(time.Hour),
	}
}

// A reader of a mirror keeps what it knows of the original's records in 1 MiB.
func ExampleNewTracker() {
	tracker := replay.NewTracker(replay.Config{Bytes: 1 << 20, Mirror: true})
	flags, err := tracker.Follow(opened(0, time.Now()), replay.Position{Partition: 3, Offset: 0}) // sealed for another partition
	fmt.Println(flags, err)
	// Output:
	// none <nil>
}

// A record that was appended after its data key had expired is rejected, if fresh records are required.
func ExampleTracker_Follow() {
	tracker := replay.NewTracker(replay.Config{Require: envelope.Requirements{VerifiedSender: true, Fresh: true}})
	msg := opened(0, time.Now().Add(-24*time.Hour))
	flags, err := tracker.Follow(msg, replay.Position{Offset: 0, AppendedAfter: time.Now()})
	fmt.Println(flags.Stale, err, msg.Plaintext == nil)
	// Output:
	// true rejected record: its data key had expired when it arrived true
}

// A record of a former topic is looked at alone.
func ExampleTracker_Check() {
	var tracker replay.Tracker
	for range 2 {
		flags, err := tracker.Check(opened(7, time.Now()), replay.Position{Partition: 1, Offset: 7})
		fmt.Println(flags, err)
	}
	// Output:
	// moved from partition 0 <nil>
	// moved from partition 0 <nil>
}

// A reader that starts in the middle says so: then it can tell that the beginning of a new data key is missing.
func ExampleTracker_FollowFrom() {
	var tracker replay.Tracker
	tracker.FollowFrom(0, 100)
	flags, err := tracker.Follow(opened(3, time.Now()), replay.Position{Offset: 100})
	fmt.Println(flags, err) // the first three may stand before offset 100
	// Output:
	// not followed before <nil>
}

// What another member of the group reads in the meantime is not missing.
func ExampleTracker_PartitionRevoked() {
	var tracker replay.Tracker
	start := time.Now()
	for _, counter := range []uint64{0, 1, 5} {
		if counter == 5 {
			tracker.PartitionRevoked(0)
		}
		flags, err := tracker.Follow(opened(counter, start), replay.Position{Offset: int64(counter)})
		fmt.Println(flags, err)
	}
	// Output:
	// none <nil>
	// none <nil>
	// not followed before <nil>
}

// A reader that loads older records follows all of them again, in order.
func ExampleTracker_Rewind() {
	var tracker replay.Tracker
	start := time.Now()
	flags, err := tracker.Follow(opened(1, start), replay.Position{Offset: 1})
	fmt.Println(flags, err)

	tracker.Rewind(0, 0)
	for _, counter := range []uint64{0, 1} {
		flags, err := tracker.Follow(opened(counter, start), replay.Position{Offset: int64(counter)})
		fmt.Println(flags, err)
	}
	// Output:
	// not followed before <nil>
	// none <nil>
	// none <nil>
}

// In a topic that was created again, a record of the former one is a repeat, at any offset.
func ExampleTracker_TopicRecreated() {
	var tracker replay.Tracker
	start := time.Now()
	for range 2 {
		flags, err := tracker.Follow(opened(0, start), replay.Position{Offset: 0})
		fmt.Println(flags, err)
		tracker.TopicRecreated()
	}
	// Output:
	// none <nil>
	// repeat <nil>
}
