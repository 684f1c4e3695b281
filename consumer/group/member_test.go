package group

import (
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Without it sessions that end at once would follow each other in a busy loop, or a group that rebalances would wait for
// this member.
func TestRejoinDelay(t *testing.T) {
	if got := rejoinDelay(0, sarama.ErrRebalanceInProgress); got != 0 {
		t.Errorf("a rebalance waits %s", got)
	}
	if got := rejoinDelay(20, sarama.ErrRebalanceInProgress); got > time.Second || got < 100*time.Millisecond {
		t.Errorf("the rebalances of a restless group wait %s", got)
	}
	if got := rejoinDelay(0, sarama.ErrSessionConsumeClaimExited); got < 100*time.Millisecond {
		t.Errorf("a first short session waits %s", got)
	}
	if got := rejoinDelay(20, sarama.ErrSessionConsumeClaimExited); got < MaxRetryDelay/2 {
		t.Errorf("the last of many waits %s", got)
	}
}
