package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/web/podstatus"
)

// newTestAssignment makes an assignment with a clock of its own. wait advances the clock.
func newTestAssignment() (a *assignment, wait func(time.Duration)) {
	a = newAssignment("t", Config{}.explain)
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	a.now, a.since, a.notReading = func() time.Time { return at }, at, at
	return a, func(d time.Duration) { at = at.Add(d) }
}

// summary is the state and the partitions that cannot be read.
func summary(a *assignment) string {
	status := a.status()
	words := []string{string(status.State)}
	for _, u := range status.Assignment.Unreadable {
		words = append(words, fmt.Sprint(u.Partitions))
	}
	return strings.Join(words, " ")
}

// Without it the page would show a wrong lag or a wrong number of partitions.
func TestAssignedPartitions(t *testing.T) {
	a, wait := newTestAssignment()
	if got := a.status().Assignment; got.Assigned != 0 || got.Total != 0 || got.Lag != 0 {
		t.Errorf("before a session: %+v", got)
	}
	a.startSession([]int32{1, 4}, 6)
	a.setLag(1, 10)
	a.setLag(4, 7)
	a.setLag(4, 5)
	a.setLag(1, -1) // the broker's response was older than the record
	a.setLag(3, 99) // assigned to another member by now
	if got := a.status().Assignment; got.Assigned != 2 || got.Total != 6 || got.Lag != 5 || got.Unreadable != nil {
		t.Errorf("got %+v", got)
	}
	started := a.now()
	if got, want := a.status().Assignment.Others, []podstatus.Others{{Partitions: []int32{0, 2, 3, 5}, Since: started}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with others: %v, want %v", got, want)
	}
	wait(time.Minute)
	a.endSession()
	if lost := a.startSession([]int32{4, 5}, 6); !slices.Equal(lost, []int32{1}) {
		t.Errorf("lost %v", lost)
	}
	if got, want := a.status().Assignment.Others, []podstatus.Others{{Partitions: []int32{0, 2, 3}, Since: started}, {Partitions: []int32{1}, Since: a.now()}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with others: %v, want %v", got, want)
	}
	if got := a.status().Assignment; got.Assigned != 2 || got.Lag != 5 {
		t.Errorf("in the next session: %+v", got)
	}
	a.joinFailed(sarama.ErrOutOfBrokers)
	if got := a.status().Assignment; got.Assigned != 0 || got.Lag != 0 {
		t.Errorf("without a session: %+v", got)
	}
}

// Without it an outage whose cause changes would never last for long, and its alert would not fire.
func TestNotReadingSince(t *testing.T) {
	a, wait := newTestAssignment()
	start := a.now()
	since := func(what string, want time.Time) {
		t.Helper()
		if got := a.status().NotReadingSince; !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	since("at first", start)
	wait(time.Minute)
	a.joinFailed(sarama.ErrOutOfBrokers)
	since("another state", start)
	a.startSession([]int32{0}, 1)
	since("reading", time.Time{})
	wait(time.Minute)
	a.endSession()
	a.joinFailed(sarama.ErrOutOfBrokers)
	stopped := a.now()
	since("an outage", stopped)
	wait(time.Minute)
	a.joinFailed(sarama.ErrUnknownTopicOrPartition)
	since("with another cause", stopped)
	a.startSession([]int32{0}, 1)
	since("reading again", time.Time{})
}

// Without it the page would say that nothing can be read because one partition cannot, would change with every record
// and every failure, or would say forever that Kafka refuses what it allows by now.
func TestStateFollowsFromPartitions(t *testing.T) {
	a, wait := newTestAssignment()
	sees := func(what, want string) {
		t.Helper()
		if got := summary(a); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	refusal := sarama.ErrUnsupportedVersion
	sees("at first", "connecting")
	a.startSession([]int32{0, 1, 2}, 3)
	sees("in a session", "reading")

	a.partitionFailed(1, errors.New("reset"))
	sees("a first failure", "reading")
	wait(showFailureAfter)
	sees("one partition fails", "reading [1]")
	changes, before := 0, ""
	for range 300 { // the others are read in the meantime, and the partition is tried again
		a.partitionRead(0)
		a.partitionFetched(2, sarama.ErrNoError)
		a.partitionFailed(1, errors.New("reset"))
		wait(100 * time.Millisecond)
		if now := summary(a); now != before {
			changes, before = changes+1, now
		}
	}
	if changes != 1 {
		t.Errorf("the state changed %d times", changes-1)
	}
	a.partitionFetched(1, sarama.ErrNoError)
	sees("one response, which may be unusable", "reading [1]")
	a.partitionFailed(1, errors.New("damaged"))
	a.partitionFetched(1, sarama.ErrNoError)
	sees("it is unusable", "reading [1]")
	a.partitionFetched(1, sarama.ErrNoError)
	sees("the partition is read again", "reading")

	for _, id := range []int32{0, 1, 2} {
		a.partitionFailed(id, refusal)
	}
	wait(showFailureAfter)
	sees("Kafka refuses all of it", "refused [0 1 2]")
	a.endSession()
	a.startSession([]int32{0, 1, 2}, 3)
	sees("a new session proves nothing", "refused [0 1 2]")
	a.partitionRead(2)
	sees("a record comes", "reading [0 1]")
	for range endFailureAfter {
		a.partitionFetched(0, sarama.ErrNoError)
		a.partitionFetched(1, sarama.ErrNoError)
	}
	sees("all is read", "reading")

	a.partitionFetched(0, sarama.ErrNotLeaderForPartition)
	wait(showFailureAfter)
	sees("an error that sarama does not report", "reading [0]")
	a.partitionFetched(99, sarama.ErrNotLeaderForPartition) // not assigned

	a.endSession()
	a.joinFailed(sarama.ErrUnknownTopicOrPartition)
	sees("the topic is gone", "no_topic")
	a.startSession([]int32{1, 2}, 3)
	sees("the topic is back", "reading")

	a.endSession()
	wait(showRejoinAfter - 1)
	sees("a rebalance", "reading")
	wait(1)
	sees("a long rebalance", "connecting")

	for range 3 {
		a.startSession([]int32{1, 2}, 3)
		a.partitionFetched(1, sarama.ErrNoError)
		a.endSession()
		a.sessionsKeepEnding(sarama.ErrGroupAuthorizationFailed)
		sees("no session lasts", "refused")
	}
	a.startSession([]int32{1, 2}, 3)
	sees("the next session may not last, either", "refused")
	wait(showFailureAfter)
	sees("it lasts", "reading")
}

// Without it the page would show a different cause after each try, or one that is long over.
func TestCauseIsSteady(t *testing.T) {
	a, wait := newTestAssignment()
	a.startSession([]int32{0}, 1)
	cause := func() string { return a.status().Assignment.Unreadable[0].Cause.Code }
	first, second := sarama.ErrLeaderNotAvailable, sarama.ErrRequestTimedOut
	a.partitionFailed(0, first)
	wait(showFailureAfter)
	before := cause()
	for range 20 {
		a.partitionFailed(0, second)
		wait(time.Second)
		a.partitionFailed(0, first)
		wait(time.Second)
		if got := cause(); got != before {
			t.Fatalf("the cause changed from %s to %s", before, got)
		}
	}
	for range 10 {
		a.partitionFailed(0, second)
		wait(time.Second)
	}
	a.partitionFailed(0, second)
	if cause() == before {
		t.Error("a cause that is over is still shown")
	}
	a.partitionFailed(0, sarama.ErrUnsupportedVersion)
	if got := a.status().State; got != podstatus.KafkaRefused {
		t.Errorf("a refusal: %s", got)
	}
}

// Without it the page would list partitions that fail for one reason one by one.
func TestUnreadableGroupedByCause(t *testing.T) {
	a, wait := newTestAssignment()
	a.startSession([]int32{0, 1, 2, 3}, 4)
	a.partitionFailed(3, sarama.ErrLeaderNotAvailable)
	wait(time.Second)
	a.partitionFailed(0, errors.New("reset"))
	a.partitionFailed(1, sarama.ErrLeaderNotAvailable)
	wait(showFailureAfter)
	got := a.status().Assignment.Unreadable
	if len(got) != 2 || !slices.Equal(got[0].Partitions, []int32{0}) || !slices.Equal(got[1].Partitions, []int32{1, 3}) || got[1].Cause.Code != "leader_missing" ||
		!got[1].Since.Equal(got[0].Since.Add(-time.Second)) {
		t.Errorf("got %+v", got)
	}
}
