package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// history loads records that the group has read before, so that the page is not empty after a restart or a rebalance.
// It loads them while new records are read. One loader for each broker asks for many partitions at once, from their ends
// towards their starts, until the feed has no room for older records. The group's offsets do not move back.
type history struct {
	pipeline *pipeline
	query    *query.Client
	topic    group.TopicID
	requests chan *backlog // at most one for each claim
	// It holds for the records of the history, too: they may have been read and dropped before.
	appendedAfter group.AppendedAfter
	started       time.Time

	mu      sync.Mutex
	loaded  int
	failing map[int32]bool // partitions whose latest try failed
}

// backlog is what remains to be loaded of one partition.
type backlog struct {
	partition int32
	first     int64 // records from this offset on are loaded
	oldest    int64 // the first offset in Kafka
	window    int64 // number of offsets to load next
	failures  int   // in a row
	complete  bool  // nothing is left to load
}

// newHistory returns the history of a session with a number of claims.
func newHistory(p *pipeline, q *query.Client, topic group.TopicID, claims int, appendedAfter group.AppendedAfter) *history {
	return &history{pipeline: p, query: q, topic: topic, requests: make(chan *backlog, claims), appendedAfter: appendedAfter, started: time.Now(), failing: make(map[int32]bool)}
}

// request loads the records before the offset at which reading resumes.
func (h *history) request(partition int32, offset int64) {
	first, complete := h.pipeline.resume(partition, offset)
	h.requests <- &backlog{partition: partition, first: first, complete: complete}
}

// collectFor is how long to wait for the claims of a session, which start one after the other.
const collectFor = 100 * time.Millisecond

// run loads until ctx ends, with the session.
func (h *history) run(ctx context.Context) {
	for cap(h.requests) > 0 && ctx.Err() == nil {
		all := h.collect(ctx)
		ledPartitions, lost, err := query.ByLeader(h.query, all, func(b *backlog) int32 { return b.partition })
		h.retryLater(ctx, lost, err)
		for leader, backlogs := range ledPartitions {
			go h.load(ctx, leader, backlogs, len(ledPartitions))
		}
	}
}

// collect waits for requests, and returns those with something to load.
func (h *history) collect(ctx context.Context) (all []*backlog) {
	var end <-chan time.Time
	for range cap(h.requests) {
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return all
		case b := <-h.requests:
			if end == nil {
				end = time.After(collectFor)
			}
			if b.complete {
				h.countLoaded(1)
				continue
			}
			all = append(all, b)
		}
	}
	return all
}

// load loads the partitions of one broker. The memory limits are shared by all loaders.
func (h *history) load(ctx context.Context, leader *sarama.Broker, backlogs []*backlog, loaders int) {
	oldest, err := h.query.Offsets(leader, partitionsOf(backlogs), sarama.OffsetOldest)
	if err != nil {
		h.retryLater(ctx, backlogs, err)
		return
	}
	var pending []*backlog
	for _, b := range backlogs {
		offset, ok := oldest[b.partition]
		if !ok {
			h.retryLater(ctx, []*backlog{b}, sarama.ErrLeaderNotAvailable)
			continue
		}
		b.oldest = offset
		b.window = max(b.window, min(int64(max(h.pipeline.cfg.WebHistory/cap(h.requests), 1)), group.FirstBatchSize))
		pending = append(pending, b)
	}
	for len(pending) > 0 && ctx.Err() == nil {
		pending = h.loadWindow(ctx, leader, pending, loaders)
	}
}

// loadWindow loads the next window of each partition, and returns the backlogs with more to load.
func (h *history) loadWindow(ctx context.Context, leader *sarama.Broker, backlogs []*backlog, loaders int) (more []*backlog) {
	ranges := make([]*query.Range, len(backlogs))
	for i, b := range backlogs {
		from := max(b.oldest, b.first-b.window)
		ranges[i] = &query.Range{Partition: b.partition, Next: from, End: b.first, Done: from >= b.first}
	}
	kept := newest{maxCount: h.pipeline.cfg.WebHistory, maxBytes: feed.MaxBytes / loaders}
	read := make(map[int32]int)
	maxBytes := int32(max(h.pipeline.cfg.UnpackedBytes/2/loaders, 1<<20))
	for pending := ranges; len(pending) > 0; {
		err := h.query.Fetch(leader, pending, maxBytes, func(m *sarama.ConsumerMessage) {
			read[m.Partition]++
			kept.add(m)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			h.retryLater(ctx, backlogs, err)
			return nil
		}
		pending = slices.DeleteFunc(slices.Clone(pending), func(r *query.Range) bool { return r.Done || r.Err != nil })
	}
	kept.trim()
	h.findHeaders(ctx, leader, kept.messages)
	shown := h.show(ctx, kept.messages)
	var finished []*backlog
	for i, b := range backlogs {
		if err := ranges[i].Err; err != nil {
			h.retryLater(ctx, []*backlog{b}, err)
			continue
		}
		b.failures = 0
		h.setFailing(b.partition, false)
		from := max(b.oldest, b.first-b.window)
		if b.first = min(b.first, from); shown[b.partition] < read[b.partition] || b.first <= b.oldest {
			finished = append(finished, b)
			continue
		}
		// If many offsets have no records, as after compaction, a larger window is needed to find some.
		if b.window *= 2; int64(read[b.partition]) >= b.window/4 {
			b.window = min(b.window, int64(h.pipeline.cfg.WebHistory))
		}
		more = append(more, b)
	}
	h.finish(ctx, finished)
	h.pipeline.followAgain(ctx, partitionsOf(more), false) // the rest may take long, or never come
	return more
}

// show adds messages, which are sorted by time, to the feed, the newest first. Once a message of a partition does not
// fit, it skips the older ones. It returns the number of messages added for each partition.
func (h *history) show(ctx context.Context, messages []*sarama.ConsumerMessage) map[int32]int {
	shown, full, size := make(map[int32]int), make(map[int32]bool), int64(group.FirstBatchSize)
	for end := len(messages); end > 0 && ctx.Err() == nil; {
		start, started := max(end-int(size), 0), time.Now()
		oldest, bounded := h.pipeline.feed.Oldest()
		var batch []*sarama.ConsumerMessage
		missing := make(map[int32]int)
		for _, m := range slices.Backward(messages[start:end]) {
			at := validTimestamp(m)
			full[m.Partition] = full[m.Partition] || bounded && !at.IsZero() && at.Before(oldest)
			if !full[m.Partition] {
				batch = append(batch, m)
				missing[m.Partition]++
			}
		}
		end = start
		for _, r := range h.pipeline.backfill(ctx, h.topic, h.appendedAfter, batch) {
			shown[r.Partition]++
			missing[r.Partition]--
		}
		for partition, n := range missing {
			full[partition] = full[partition] || n > 0
		}
		size = group.NextBatchSize(size, time.Since(started))
	}
	return shown
}

func partitionsOf(backlogs []*backlog) []int32 {
	partitions := make([]int32, len(backlogs))
	for i, b := range backlogs {
		partitions[i] = b.partition
	}
	return partitions
}

// finish marks partitions as loaded.
func (h *history) finish(ctx context.Context, backlogs []*backlog) {
	if len(backlogs) == 0 {
		return
	}
	h.pipeline.followAgain(ctx, partitionsOf(backlogs), true)
	h.countLoaded(len(backlogs))
}

// retryLater requests partitions again after a delay.
func (h *history) retryLater(ctx context.Context, backlogs []*backlog, cause error) {
	if len(backlogs) == 0 || ctx.Err() != nil {
		return
	}
	failures := 0
	for _, b := range backlogs {
		b.failures++
		failures = max(failures, b.failures)
		h.setFailing(b.partition, true)
	}
	delay := kafkaconf.Backoff(failures-1, group.MaxRetryDelay)
	h.pipeline.log.WarnContext(ctx, "history not loaded yet", slog.Int("partitions", len(backlogs)),
		slog.String("cause", group.Explain(h.pipeline.cfg.Settings, cause).String()), slog.String("retry_in", delay.Round(time.Millisecond).String()))
	time.AfterFunc(delay, func() {
		if ctx.Err() != nil {
			return
		}
		_ = h.query.RefreshMetadata(h.pipeline.cfg.Topic) //nolint:errcheck // the next try reports it
		for _, b := range backlogs {
			h.requests <- b
		}
	})
}

func (h *history) setFailing(partition int32, failing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if failing {
		h.failing[partition] = true
	} else {
		delete(h.failing, partition)
	}
	h.pipeline.feed.Changed()
}

func (h *history) countLoaded(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loaded += n
	h.pipeline.feed.Changed()
}

// progress returns what the page shows. h is nil before the first session.
func (h *history) progress() podstatus.History {
	if h == nil {
		return podstatus.History{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return podstatus.History{Loaded: h.loaded, All: cap(h.requests), Failing: len(h.failing), Since: h.started}
}
