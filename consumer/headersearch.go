package consumer

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"math"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Bounds of the search for headers. Whoever may write can make up the names of headers, so a search is for all that records
// of a partition wait for, the next one waits, and none reads again what was read before.
const (
	searchInterval  = 10 * time.Second
	searchFetchSize = 1 << 20
	searchPoll      = 200 * time.Millisecond
)

// searchLimits are how much may still be read. A fetch may bring no record that counts, as of aborted transactions.
type searchLimits struct{ fetches, records, bytes int }

// take takes a record from the limits, and reports whether they allow it.
func (l *searchLimits) take(value []byte) bool {
	ok := l.records > 0 && l.bytes > 0
	l.records, l.bytes = l.records-1, l.bytes-len(value)
	return ok
}

// searchHeaders looks for the headers that records wait for, until ctx ends, with the session. The headers stand in
// earlier records, which it reads backwards once the history of their partition is loaded, or is not loaded any more because
// another member has the partition. It asks on the history's connections, so that new records do not wait, and reads one
// partition at a time.
func (h *history) searchHeaders(ctx context.Context) {
	tick := time.NewTicker(searchPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		failed := make(map[*sarama.Broker]bool) // it may take ten seconds to find that out
		for _, s := range h.pipeline.sequences.known() {
			search := &headerSearch{history: h, sequence: s, limits: &searchLimits{fetches: 1024, records: 1 << 18, bytes: 256 << 20}}
			if !search.isDue(ctx) {
				continue
			}
			leader, err := h.query.Leader(h.pipeline.cfg.Topic, s.partition)
			if err == nil && failed[leader] {
				continue
			}
			if err == nil {
				err = search.run(ctx, leader)
				_, ofPartition := errors.AsType[sarama.KError](err) //nolint:errcheck // only whether it is one
				failed[leader] = err != nil && !ofPartition
			}
			search.end(ctx, err)
		}
	}
}

// headerSearch is a search in one partition.
type headerSearch struct {
	*history
	sequence *sequence
	opener   *envelope.Opener
	asked    map[*feed.Record]bool // those that wait
	names    []envelope.HeaderName // of their headers
	from     int64                 // offsets from here on were read before
	read     int64                 // those from here on are read, too, once the search ends without an error
	limits   *searchLimits
	result   error // why some headers were not found, if the search itself did not fail
}

// isDue reports whether to search now.
func (s *headerSearch) isDue(ctx context.Context) (due bool) {
	s.locked(ctx, func(*pipeline) {
		w := &s.sequence.waiting
		loading := !s.sequence.complete && s.pipeline.sequences.isAssigned(s.sequence.partition)
		due = w.any && w.asks && !loading && !time.Now().Before(w.again)
	})
	return due
}

// locked calls do, unless the session has ended, with what was found in use, also if the keys have changed meanwhile.
func (s *headerSearch) locked(ctx context.Context, do func(p *pipeline)) {
	p := s.pipeline
	p.keysMu.RLock()
	defer p.keysMu.RUnlock()
	s.sequence.mu.Lock()
	defer s.sequence.mu.Unlock()
	if ctx.Err() != nil { // the next session may read a recreated topic
		return
	}
	if now := p.decryptor.opener.Load(); s.opener != nil && s.opener != now {
		now.CopyHeaders(s.opener)
	}
	p.openWaiting(s.sequence)
	do(p)
}

// run reads backwards until the headers of all records that wait are found.
func (s *headerSearch) run(ctx context.Context, leader *sarama.Broker) error {
	s.locked(ctx, func(p *pipeline) {
		records := p.waitingRecords(s.sequence)
		s.asked = make(map[*feed.Record]bool, len(records))
		for _, r := range records {
			s.asked[r] = true
		}
		s.begin(p, namesOf(records, storedOf), s.sequence.start)
		s.sequence.waiting.asks = false
	})
	return s.find(ctx, leader)
}

// begin prepares for reading the offsets before start that were not read yet.
func (s *headerSearch) begin(p *pipeline, names []envelope.HeaderName, start int64) {
	s.names, s.opener, s.from = names, p.decryptor.opener.Load(), min(s.sequence.waiting.sought, start)
	s.read = s.from
}

func (s *headerSearch) find(ctx context.Context, leader *sarama.Broker) error {
	if s.opener == nil { // the session has ended
		return ctx.Err()
	}
	first := s.from
	if s.from > 0 { // otherwise there is nothing left to read
		oldest, err := s.query.Offsets(leader, []int32{s.sequence.partition}, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		var ok bool
		if first, ok = oldest[s.sequence.partition]; !ok {
			return sarama.ErrLeaderNotAvailable
		}
	}
	err := s.opener.FindHeaders(envelope.HeaderSearch{
		Topic: s.pipeline.decryptor.topic, Names: s.names, Offset: s.from, LogStart: first, Read: s.reader(ctx, leader),
		MaxRecords: math.MaxInt, MaxBytes: math.MaxInt, // the reader counts them
	})
	for _, final := range []error{envelope.ErrHeaderLost, envelope.ErrHeaderFar, envelope.ErrUndecryptable, envelope.ErrMalformed} {
		if errors.Is(err, final) {
			s.result, err = err, nil
			break
		}
	}
	if err == nil && !s.isFar() {
		s.locked(ctx, func(*pipeline) { s.sequence.waiting.sought = s.read })
	}
	return err
}

// isLost reports whether no record before those that wait has their headers. It does not follow from a header that was found
// and never opens anything: the records before it are not read yet.
func (s *headerSearch) isLost() bool { return errors.Is(s.result, envelope.ErrHeaderLost) }

// isFar reports whether the limits ended the search.
func (s *headerSearch) isFar() bool { return errors.Is(s.result, envelope.ErrHeaderFar) }

// reader returns what reads windows of offsets. Before each, it opens the records whose headers were in the one before.
func (s *headerSearch) reader(ctx context.Context, leader *sarama.Broker) func(from, to int64) iter.Seq2[[]byte, error] {
	return func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			s.locked(ctx, func(*pipeline) { s.sequence.waiting.sought = to })
			s.read = from
			window, more := &query.Range{Partition: s.sequence.partition, Next: from, End: to}, true
			for ; more && !window.Done; s.limits.fetches-- {
				err, far := ctx.Err(), s.limits.fetches <= 0
				if err == nil && !far {
					err = s.query.Fetch(leader, []*query.Range{window}, searchFetchSize, func(m *sarama.ConsumerMessage) {
						far = far || more && !s.limits.take(m.Value)
						more = more && !far && yield(m.Value, nil)
					})
				}
				if far {
					yield(nil, envelope.ErrHeaderFar)
					return
				}
				if err = cmp.Or(err, window.Err); err != nil && more {
					yield(nil, err)
					return
				}
			}
		}
	}
}

// end shows what a search has found, and what it has not: also records whose headers were found, but so many that some were
// forgotten before these were decrypted. If it failed, there will be another one.
func (s *headerSearch) end(ctx context.Context, err error) {
	s.locked(ctx, func(p *pipeline) {
		w := &s.sequence.waiting
		w.again = time.Now().Add(searchInterval)
		if err != nil {
			w.asks = true
			_ = s.query.RefreshMetadata(p.cfg.Topic) //nolint:errcheck // the next try reports it
			p.log.WarnContext(ctx, "headers not looked for yet", slog.Int("partition", int(s.sequence.partition)),
				slog.String("cause", group.Explain(p.cfg.Settings, err).String()), slog.String("retry_in", searchInterval.String()))
			return
		}
		if s.isLost() || s.isFar() {
			w.sought = 0 // no search will read more
		}
		p.showMissing(s.sequence, s.asked)
	})
}

// showMissing says of the records that still wait that their headers were looked for.
func (p *pipeline) showMissing(s *sequence, asked map[*feed.Record]bool) {
	var before, after []*feed.Record
	for _, r := range p.waitingRecords(s) {
		if asked[r] && !r.HeaderMissing {
			next := *r
			next.HeaderMissing = true
			before, after = append(before, r), append(after, &next)
		}
	}
	p.feed.Replace(before, after)
	p.metrics.headersMissing.Add(float64(len(after)))
}
