package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Without it a failed commit would make a partition look unreadable.
func TestCommitFailuresAreNotReadFailures(t *testing.T) {
	m := newMember(t)
	a, wait := newTestAssignment()
	m.assignment = a
	a.startSession([]int32{0, 1}, 2)
	errs := make(chan error, 2)
	errs <- &sarama.ConsumerError{Topic: "t", Partition: 0, Err: sarama.ErrIllegalGeneration}
	errs <- &sarama.ConsumerError{Topic: "t", Partition: 1, Err: sarama.ErrRequestTimedOut}
	close(errs)
	m.watchErrors(t.Context(), errs, func(err error) { t.Errorf("the member leaves the group: %v", err) })
	wait(showFailureAfter)
	if got := summary(a); got != "reading [1]" {
		t.Errorf("got %s", got)
	}
}

// Without it one failure, or a broker with many texts, would flood the log or the memory.
func TestLogLimiter(t *testing.T) {
	var limit logLimiter
	now := time.Now()
	if !limit.allows("a", now) || limit.allows("a", now.Add(time.Second)) || !limit.allows("b", now) || !limit.allows("a", now.Add(logRepeatInterval)) {
		t.Error("a text is logged too often, or never")
	}
	for i := range 10 * maxLogTexts {
		limit.allows(fmt.Sprint(i), now)
	}
	if len(limit) > maxLogTexts {
		t.Errorf("remembers %d texts", len(limit))
	}
}
