package group

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
)

// lags track how far behind the partitions of a session are. Offsets alone are not enough, because some have no
// readable record: the marker at the end of a transaction, and the records of aborted and open transactions. So if a
// partition delivers nothing although there are more offsets, lags asks the broker for a record.
type lags struct {
	member *Member
	query  *query.Client

	mu          sync.Mutex
	byPartition map[int32]*lag
}

type lag struct {
	end     func() int64 // the partition's end, as of the last response with records
	next    int64        // the offset behind the last processed record, and behind offsets without a record
	seen    lagPosition  // at the last check
	queried lagPosition  // at the last query
}

// lagPosition is how far a partition is read.
type lagPosition struct{ next, end int64 }

// unknownPosition equals no position of a partition.
func unknownPosition() lagPosition { return lagPosition{-1, -1} }

// lagCheckInterval is how often lags looks for partitions that do not advance.
const lagCheckInterval = time.Second

func newLags(m *Member, q *query.Client) *lags {
	return &lags{member: m, query: q, byPartition: make(map[int32]*lag)}
}

// start records the offset at which reading starts. It is negative if nothing was committed: then it is the oldest one, and
// run asks for it. Without it the lag of an empty partition would stay unknown.
func (l *lags) start(partition int32, next int64, end func() int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &lag{end: end, next: next, seen: unknownPosition(), queried: unknownPosition()}
	l.byPartition[partition] = p
	if next >= 0 {
		l.report(partition, p)
	}
}

// advance records that all records before next are processed.
func (l *lags) advance(partition int32, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byPartition[partition]
	p.next = max(p.next, next)
	l.report(partition, p)
}

func (l *lags) report(partition int32, p *lag) {
	records := max(p.end()-p.next, 0)
	l.member.assignment.setLag(partition, records)
	l.member.cfg.Metrics.SetLag(partition, records)
}

// run asks about partitions without a position, and those that do not advance, until ctx ends.
func (l *lags) run(ctx context.Context) {
	tick := time.NewTicker(lagCheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if partitions := l.withoutPosition(); len(partitions) > 0 {
			byLeader, _, _ := query.ByLeader(l.query, partitions, func(p int32) int32 { return p }) //nolint:errcheck // asked again
			for leader, partitions := range byLeader {
				oldest, _ := l.query.Offsets(leader, partitions, sarama.OffsetOldest) //nolint:errcheck // asked again
				l.setPositions(ctx, oldest)
			}
			l.member.cfg.OnChange()
		}
		if stalled := l.stalled(); len(stalled) > 0 {
			from := make(map[int32]int64, len(stalled))
			for partition, position := range stalled {
				from[partition] = position.next
			}
			l.apply(ctx, stalled, l.query.FirstRecords(from))
			l.member.cfg.OnChange()
		}
	}
}

// withoutPosition returns the partitions of which nothing is known yet.
func (l *lags) withoutPosition() (partitions []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for partition, p := range l.byPartition {
		if p.next < 0 {
			partitions = append(partitions, partition)
		}
	}
	return partitions
}

// setPositions sets where partitions start that have not advanced meanwhile.
func (l *lags) setPositions(ctx context.Context, oldest map[int32]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for partition, offset := range oldest {
		if p := l.byPartition[partition]; ctx.Err() == nil && p.next < 0 {
			p.next = offset
			l.report(partition, p)
		}
	}
}

// stalled returns the partitions that have more offsets, did not advance since the last check, and were not asked about
// yet. The caller must ask about them.
func (l *lags) stalled() map[int32]lagPosition {
	l.mu.Lock()
	defer l.mu.Unlock()
	stalled := make(map[int32]lagPosition)
	for partition, p := range l.byPartition {
		now := lagPosition{p.next, p.end()}
		if now == p.seen && now != p.queried && now.next >= 0 && now.end > now.next {
			stalled[partition], p.queried = now, now
		}
		p.seen = now
	}
	return stalled
}

// apply advances partitions over offsets without a record.
func (l *lags) apply(ctx context.Context, queried map[int32]lagPosition, results map[int32]query.FirstRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	for partition, position := range queried {
		p := l.byPartition[partition]
		first, ok := results[partition]
		switch {
		case !ok:
			p.queried = unknownPosition() // ask again
		case first.Found:
		case first.End:
			p.next = max(p.next, position.end)
		default:
			p.next = max(p.next, first.Next)
		}
		l.report(partition, p)
	}
}
