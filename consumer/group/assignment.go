package group

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web/podstatus"
)

// assignment is the state of this member of the consumer group and of the partitions assigned to it. The page, /readyz,
// the metrics and the log all show it. A failure of one partition does not hide the state of the others, and is shown no
// longer than it lasts.
type assignment struct {
	topic   string
	explain func(error) kafkaconf.Cause
	now     func() time.Time

	mu         sync.Mutex
	total      int                       // partitions of the topic
	partitions map[int32]*partitionState // of this or the last session
	away       map[int32]time.Time       // the other partitions, and since when this member does not read them
	joined     bool                      // a session is running
	changed    time.Time                 // when the last session started or ended; zero before the first
	failure    *failure                  // why there is no session, or none that lasts
	shown      podstatus.KafkaState      // what status returned last
	since      time.Time                 // when shown changed
	notReading time.Time                 // since when shown is not KafkaReading; zero if it is
}

// failure is why something cannot be read.
type failure struct {
	state  podstatus.KafkaState
	cause  kafkaconf.Cause
	repeat bool // it has ended several sessions soon after they started
}

// partitionState is the state of one partition.
type partitionState struct {
	lag          int64
	failingSince time.Time // zero if it does not fail
	failure      failure
	failureSeen  time.Time // when this failure came last
	successes    int       // good responses since the last failure
}

const (
	// showFailureAfter is how long a partition fails before this is shown. It is enough to find a new leader.
	showFailureAfter = 3 * time.Second
	// endFailureAfter is the number of good responses that end a failure. A single one proves little: its records may
	// be unusable, and fail again and again.
	endFailureAfter = 2
	// keepFailureFor is how long one failure stays on display while others occur: a broken connection alternates
	// between several failures.
	keepFailureFor = 10 * time.Second
	// showRejoinAfter is how long a rebalance takes before this is shown.
	showRejoinAfter = 10 * time.Second
)

func newAssignment(topic string, explain func(error) kafkaconf.Cause) *assignment {
	a := &assignment{topic: topic, explain: explain, now: time.Now, shown: podstatus.KafkaConnecting}
	a.since = a.now()
	a.notReading = a.since
	return a
}

// startSession sets the assigned partitions. It returns the partitions that this member has lost. A failing
// partition stays so until it is read.
func (a *assignment) startSession(assigned []int32, total int) (lost []int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.partitions
	a.total, a.joined, a.changed, a.partitions = max(total, len(assigned)), true, a.now(), make(map[int32]*partitionState, len(assigned))
	if a.failure != nil && !a.failure.repeat {
		a.failure = nil
	}
	for _, id := range assigned {
		a.partitions[id] = cmp.Or(before[id], new(partitionState))
		delete(before, id)
	}
	a.setAway()
	return slices.Sorted(maps.Keys(before))
}

// setAway notes which partitions other members read.
func (a *assignment) setAway() {
	before := a.away
	a.away = make(map[int32]time.Time)
	for id := range int32(a.total) {
		if a.partitions[id] == nil {
			a.away[id] = cmp.Or(before[id], a.changed)
		}
	}
}

func (a *assignment) endSession() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joined, a.changed = false, a.now()
}

// joinFailed records why there is no session.
func (a *assignment) joinFailed(err error) {
	f := a.failureOf(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joined, a.failure = false, &f
}

// sessionsKeepEnding records why no session lasts. The failure ends once a session lasts.
func (a *assignment) sessionsKeepEnding(err error) {
	f := a.failureOf(err)
	f.repeat = true
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failure = &f
}

// partitionFailed records that a partition could not be read.
func (a *assignment) partitionFailed(partition int32, err error) {
	f := a.failureOf(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	p, now := a.partitions[partition], a.now()
	if p == nil {
		return
	}
	p.successes = 0
	if f == p.failure || f.state != p.failure.state || p.failingSince.IsZero() || now.Sub(p.failureSeen) >= keepFailureFor {
		p.failure, p.failureSeen = f, now
	}
	if p.failingSince.IsZero() {
		p.failingSince = now
	}
}

// partitionFetched records the error code of a partition in a broker's response. It reports whether the partition is
// assigned, and without an error.
func (a *assignment) partitionFetched(partition int32, code sarama.KError) (ok bool) {
	if code != sarama.ErrNoError {
		a.partitionFailed(partition, code)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.partitions[partition]
	if p != nil && !p.failingSince.IsZero() {
		if p.successes++; p.successes >= endFailureAfter {
			p.failingSince = time.Time{}
		}
	}
	return p != nil
}

// partitionRead records that records of a partition came, which ends a failure.
func (a *assignment) partitionRead(partition int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.partitions[partition]; p != nil {
		p.failingSince = time.Time{}
	}
}

// setLag sets the number of records that were not read yet.
func (a *assignment) setLag(partition int32, records int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.partitions[partition]; p != nil {
		p.lag = max(records, 0)
	}
}

func (a *assignment) failureOf(err error) failure {
	f := failure{state: podstatus.KafkaUnreachable, cause: a.explain(err)}
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		f.state = podstatus.KafkaNoTopic
	case f.cause.Refused:
		f.state = podstatus.KafkaRefused
	}
	return f
}

// status returns the status that the page shows.
func (a *assignment) status() podstatus.Kafka {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	status := podstatus.Kafka{Topic: a.topic, State: podstatus.KafkaReading}
	if a.joined && a.failure != nil && now.Sub(a.changed) >= showFailureAfter {
		a.failure = nil
	}
	failure := a.failure
	switch {
	case failure != nil:
	case !a.joined && (a.changed.IsZero() || now.Sub(a.changed) >= showRejoinAfter):
		status.State = podstatus.KafkaConnecting
	default:
		status.Assignment = a.current(now)
		if n := status.Assignment.CountUnreadable(); n > 0 && n == len(a.partitions) {
			failure = a.worstFailure()
		}
	}
	if failure != nil {
		status.State = failure.state
		if failure.state != podstatus.KafkaNoTopic {
			status.Cause = pageCause(failure.cause)
		}
	}
	if status.State != a.shown {
		a.shown, a.since = status.State, now
	}
	switch {
	case status.State == podstatus.KafkaReading:
		a.notReading = time.Time{}
	case a.notReading.IsZero():
		a.notReading = now
	}
	status.Since, status.NotReadingSince = a.since, a.notReading
	return status
}

func pageCause(c kafkaconf.Cause) podstatus.KafkaCause {
	return podstatus.KafkaCause{Code: string(c.Code), Peer: c.Peer, Detail: c.Detail, What: c.What, Check: c.Hint}
}

// current returns this member's partitions. It groups unreadable ones by their cause, in the order of the lowest number.
func (a *assignment) current(now time.Time) podstatus.Assignment {
	current := podstatus.Assignment{Assigned: len(a.partitions), Total: a.total, Others: a.others()}
	for _, id := range slices.Sorted(maps.Keys(a.partitions)) {
		p := a.partitions[id]
		current.Lag += p.lag
		if p.failingSince.IsZero() || now.Sub(p.failingSince) < showFailureAfter {
			continue
		}
		cause := pageCause(p.failure.cause)
		at := slices.IndexFunc(current.Unreadable, func(u podstatus.Unreadable) bool { return u.Cause == cause })
		if at < 0 {
			at = len(current.Unreadable)
			current.Unreadable = append(current.Unreadable, podstatus.Unreadable{Cause: cause, Since: p.failingSince})
		}
		u := &current.Unreadable[at]
		u.Partitions = append(u.Partitions, id)
		if p.failingSince.Before(u.Since) {
			u.Since = p.failingSince
		}
	}
	return current
}

// others groups the partitions that other members read by the time since when they do.
func (a *assignment) others() (others []podstatus.Others) {
	for _, id := range slices.Sorted(maps.Keys(a.away)) {
		at := slices.IndexFunc(others, func(o podstatus.Others) bool { return o.Since.Equal(a.away[id]) })
		if at < 0 {
			at = len(others)
			others = append(others, podstatus.Others{Since: a.away[id]})
		}
		others[at].Partitions = append(others[at].Partitions, id)
	}
	return others
}

// worstFailure returns the failure to show if no partition can be read: a refusal if there is one, because waiting does
// not end it, or the failure of the lowest partition.
func (a *assignment) worstFailure() *failure {
	var worst *failure
	for _, id := range slices.Sorted(maps.Keys(a.partitions)) {
		if f := &a.partitions[id].failure; worst == nil || f.state == podstatus.KafkaRefused && worst.state != podstatus.KafkaRefused {
			worst = f
		}
	}
	return worst
}
