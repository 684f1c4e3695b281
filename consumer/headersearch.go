package consumer

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Bounds of the search for headers. Whoever may write can make up the names of headers, so a search is for all that records
// of a partition wait for, the next one waits, and none reads again what was read before. The library's limits of records
// and bytes hold for each, too.
const (
	searchInterval  = 10 * time.Second
	searchFetches   = 1024
	searchFetchSize = 1 << 20
	searchPoll      = 200 * time.Millisecond
)

// searchHeaders looks for the headers that records wait for, until ctx ends, with the session. The headers stand in
// earlier records, which it reads backwards once the history of their partition is loaded. It asks on the history's
// connections, so that new records do not wait, and reads one partition at a time.
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
		for _, s := range h.pipeline.sequences.ofSession() {
			search := &headerSearch{history: h, sequence: s}
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
	from     int64                 // offsets from here on are read already
	lost     bool                  // the earlier records do not have all headers
}

// isDue reports whether to search now.
func (s *headerSearch) isDue(ctx context.Context) (due bool) {
	s.locked(ctx, func(*pipeline) {
		w := &s.sequence.waiting
		due = w.any && w.asks && s.sequence.complete && !time.Now().Before(w.again)
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
		s.begin(p, namesOf(records), s.sequence.start)
		s.sequence.waiting.asks = false
	})
	return s.find(ctx, leader)
}

// begin prepares for reading the offsets before start that were not read yet.
func (s *headerSearch) begin(p *pipeline, names []envelope.HeaderName, start int64) {
	s.names, s.opener, s.from = names, p.decryptor.opener.Load(), min(s.sequence.waiting.sought, start)
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
	})
	for _, final := range []error{envelope.ErrHeaderLost, envelope.ErrHeaderFar, envelope.ErrUndecryptable, envelope.ErrMalformed} {
		if errors.Is(err, final) {
			s.lost, err = true, nil
		}
	}
	s.locked(ctx, func(*pipeline) {
		if s.lost {
			s.sequence.waiting.sought = 0 // there is nothing more to find
		}
	})
	return err
}

// reader returns what reads windows of offsets. Before each, it opens the records whose headers were in the one before.
func (s *headerSearch) reader(ctx context.Context, leader *sarama.Broker) func(from, to int64) iter.Seq2[[]byte, error] {
	fetches := 0
	return func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			s.locked(ctx, func(*pipeline) { s.sequence.waiting.sought = to })
			window, more := &query.Range{Partition: s.sequence.partition, Next: from, End: to}, true
			for ; more && !window.Done; fetches++ {
				err := ctx.Err()
				if err == nil && fetches >= searchFetches {
					err = envelope.ErrHeaderFar
				}
				if err == nil {
					err = s.query.Fetch(leader, []*query.Range{window}, searchFetchSize, func(m *sarama.ConsumerMessage) {
						more = more && yield(m.Value, nil)
					})
				}
				if err = cmp.Or(err, window.Err); err != nil && more {
					yield(nil, err)
					return
				}
			}
		}
	}
}

// end shows what a search has found. If it failed, there will be another one.
func (s *headerSearch) end(ctx context.Context, err error) {
	s.locked(ctx, func(p *pipeline) {
		w := &s.sequence.waiting
		w.again = time.Now().Add(searchInterval)
		switch {
		case err != nil:
			w.asks = true
			_ = s.query.RefreshMetadata(p.cfg.Topic) //nolint:errcheck // the next try reports it
			p.log.WarnContext(ctx, "headers not looked for yet", slog.Int("partition", int(s.sequence.partition)),
				slog.String("cause", group.Explain(p.cfg.Settings, err).String()), slog.String("retry_in", searchInterval.String()))
		case s.lost:
			p.showMissing(s.sequence, s.asked)
		}
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
