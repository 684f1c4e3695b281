package producer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// state says whether records can be written to Kafka.
type state string

// The states, as in the metric e2ee_kafka_state and in /readyz.
const (
	stateConnecting  state = "connecting"
	stateWriting     state = "writing"
	stateUnreachable state = "unreachable" // no broker answers
	stateRefused     state = "refused"     // Kafka answers with a refusal
	stateNoTopic     state = "no_topic"
)

func states() []state {
	return []state{stateConnecting, stateWriting, stateUnreachable, stateRefused, stateNoTopic}
}

// The intervals of watch. Together they make the log name a cause within five seconds.
const (
	statusInterval = 250 * time.Millisecond
	overdueAfter   = 2 * time.Second // an acknowledgment that takes longer is a problem
	probeTimeout   = 2 * time.Second
	probeInterval  = 2 * time.Second
	logInterval    = time.Minute // for the same cause
)

// maxPartitions bounds what brokers can make the status remember.
const maxPartitions = 10_000

// status is the state of the connection to Kafka. It exists because sarama retries for hours without a log.
type status struct {
	explain  func(error) kafkaconf.Cause
	log      *slog.Logger
	inFlight inFlightList

	acknowledged atomic.Uint64 // records

	mu         sync.Mutex
	state      state
	since      time.Time               // when the state began
	cause      kafkaconf.Cause         // of the state; zero while connecting or writing
	last       kafkaconf.Cause         // the latest cause of all, for the summary
	loggedAt   map[string]time.Time    // by cause
	connected  bool                    // Kafka was ready once
	warned     bool                    // since records were last written
	codes      map[int32]sarama.KError // the latest result of each partition, if it is an error
	failure    error                   // of the latest record that failed
	before     uint64                  // acknowledged before it
	acked      uint64                  // acknowledged when watch last looked
	ackedAt    time.Time               // when watch last saw more of them
	metadataAt time.Time               // the latest failed request for the topic's metadata
	noMetadata time.Time               // when those failures began
}

func newStatus(explain func(error) kafkaconf.Cause, log *slog.Logger) *status {
	return &status{explain: explain, log: log, state: stateConnecting, since: time.Now(), loggedAt: make(map[string]time.Time), codes: make(map[int32]sarama.KError)}
}

// current returns the state, when it began, and its cause, if it has one.
func (s *status) current() (now state, since time.Time, cause kafkaconf.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.since, s.cause
}

// lastCause returns the latest reason why records were not written; empty if there was none.
func (s *status) lastCause() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == (kafkaconf.Cause{}) {
		return ""
	}
	return s.last.String()
}

// partitionResult stores a broker's result for the records of a partition.
func (s *status) partitionResult(partition int32, code sarama.KError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code == sarama.ErrNoError || code == sarama.ErrDuplicateSequenceNumber {
		delete(s.codes, partition)
	} else if len(s.codes) < maxPartitions {
		s.codes[partition] = code
	}
}

// metadataFailed stores a failed request for the topic's metadata.
func (s *status) metadataFailed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.metadataAt) > 2*maxBackoff {
		s.noMetadata = now
	}
	s.metadataAt = now
}

func (s *status) recordFailed(err error) (cause kafkaconf.Cause) {
	cause = s.explain(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure, s.last, s.before = err, cause, s.acknowledged.Load()
	return cause
}

// report sets the state that follows from the error, and logs its cause at most once a minute.
func (s *status) report(ctx context.Context, err error) {
	cause := s.explain(err)
	next := stateOf(err, cause)
	s.mu.Lock()
	connected := s.connected
	s.set(next, cause)
	due := time.Since(s.loggedAt[cause.String()]) > logInterval
	if due {
		if len(s.loggedAt) > 100 { // causes hold names that brokers chose
			clear(s.loggedAt)
		}
		s.loggedAt[cause.String()], s.warned = time.Now(), true
	}
	s.mu.Unlock()
	attributes := []any{slog.String("state", string(next)), slog.String("cause", cause.String())}
	switch {
	case !due:
	case connected:
		s.log.WarnContext(ctx, "not writing to Kafka, trying again", attributes...)
	default:
		s.log.WarnContext(ctx, "Kafka is not ready, trying again", attributes...)
	}
}

func stateOf(err error, cause kafkaconf.Cause) state {
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		return stateNoTopic
	case cause.Refused:
		return stateRefused
	}
	return stateUnreachable
}

// set is called with mu held.
func (s *status) set(to state, cause kafkaconf.Cause) {
	if to != s.state {
		s.since = time.Now()
	}
	s.state, s.cause = to, cause
	if cause != (kafkaconf.Cause{}) {
		s.last = cause
	}
}

// recovered sets the state to writing. It logs the end of an outage that was logged; the next one is logged again.
func (s *status) recovered(ctx context.Context) {
	s.mu.Lock()
	connected, warned := s.connected, s.warned
	s.set(stateWriting, kafkaconf.Cause{})
	s.connected, s.warned = true, false
	if warned {
		clear(s.loggedAt)
	}
	s.mu.Unlock()
	if connected && warned {
		s.log.InfoContext(ctx, "writing to Kafka again")
	}
}

// errOverdue is the only known cause if Kafka answers every probe but acknowledges nothing.
var errOverdue = os.ErrDeadlineExceeded

// watch updates the state until ctx ends. A record may wait for linger before it is sent. probe asks Kafka why the topic
// cannot be written to, and conf returns the configuration of the client that writes.
func (s *status) watch(ctx context.Context, linger time.Duration, conf func() *sarama.Config, probe func() error) {
	var result chan error // of the probe in flight
	var probedAt time.Time
	for sleep(ctx, statusInterval) {
		s.observeAcknowledged()
		if !s.overdue(overdueAfter + linger) {
			if !s.applyRecordFailure() {
				s.recovered(ctx)
			}
			continue
		}
		if result == nil {
			if time.Since(probedAt) < probeInterval {
				continue
			}
			probedAt = time.Now()
			result = make(chan error, 1)
			go func(to chan<- error) { to <- probe() }(result)
		}
		var found error
		select {
		case found = <-result:
			result = nil
		case <-time.After(probeTimeout):
			found = errOverdue
		case <-ctx.Done():
			return
		}
		switch err := s.diagnose(found, kafkaconf.LastFailure(conf())); {
		case err != nil:
			s.report(ctx, err)
		case !s.acknowledging():
			s.report(ctx, errOverdue)
		default:
			s.recovered(ctx)
		}
	}
}

// overdue reports whether a record or the topic's metadata has been waited for longer than limit.
func (s *status) overdue(limit time.Duration) bool {
	if s.inFlight.oldest() > limit {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.metadataAt) < 2*maxBackoff && time.Since(s.noMetadata) > limit
}

// observeAcknowledged notes the time if records were acknowledged since the last call: a look at the clock for each of
// them would cost more than counting it.
func (s *status) observeAcknowledged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if acked := s.acknowledged.Load(); acked != s.acked {
		s.acked, s.ackedAt = acked, time.Now()
	}
}

// acknowledging reports whether a record was acknowledged recently, or none is in flight.
func (s *status) acknowledging() bool {
	if s.inFlight.oldest() == 0 {
		return true
	}
	s.observeAcknowledged()
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.ackedAt) < overdueAfter
}

// applyRecordFailure sets the state that follows if a record failed and none was acknowledged since, and reports whether
// that is so.
func (s *status) applyRecordFailure() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil || s.acknowledged.Load() != s.before {
		return false
	}
	cause := s.explain(s.failure)
	s.set(stateOf(s.failure, cause), cause)
	return true
}

// diagnose returns the known error that helps a person most; nil if none is known.
func (s *status) diagnose(probed, connection error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case probed != nil && !errors.Is(probed, errOverdue):
		return probed
	case len(s.codes) > 0:
		for _, code := range s.codes { // any
			return code
		}
	case connection != nil:
		return connection
	}
	return probed
}
