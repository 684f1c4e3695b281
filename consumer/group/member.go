// Package group makes the program a member of a consumer group for as long as it runs.
//
// A [Member] joins the group, hands the records of its partitions to a [Handler], and commits their offsets. If a session
// ends, because of a rebalance, a broker that is down or a topic that does not exist, the member's status shows the cause
// and it tries again. A partition that cannot be read does not stop the others. A topic that is recreated is read from
// its start.
//
//	member, err := group.New(group.Config{…})
//	member.Run(ctx)
//	status := member.Status() // for the page
//
// Records are delivered at least once: after a crash some come again.
package group

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web/podstatus"
)

// Handler handles the records of a member. A session is the time between two rebalances: its partitions do not change.
type Handler interface {
	// StartSession is called before the partitions of a session are read. ctx ends with the session. The query client
	// can be used until then.
	StartSession(ctx context.Context, q *query.Client, topic TopicID, partitions []int32, appendedAfter AppendedAfter)
	// StartPartition is called before a partition is read from an offset, which is negative if the group has committed
	// none. process is called with each batch. It may keep a batch, but not the bytes in it.
	StartPartition(partition int32, offset int64) (process func(batch []*sarama.ConsumerMessage))
	// EndSession is called after all calls of process have returned.
	EndSession()
}

// AppendedAfter returns a time after which a record was certainly appended, the zero time if none is known.
type AppendedAfter func(partition int32, offset int64) time.Time

// LagMetrics shows how far behind partitions are.
type LagMetrics interface {
	SetLag(partition int32, records int64)
	DropLag(partition int32) // the partition is assigned to another member
}

// Config configures a [Member]. All of it is required.
type Config struct {
	Kafka           kafkaconf.Settings
	Topic, Group    string
	ReadUncommitted bool // also read records of open and aborted transactions
	UnpackedBytes   int  // the limiter's argument
	Limiter         *fetchlimit.Limiter
	Handler         Handler
	Metrics         LagMetrics
	OnChange        func() // the status has changed
	Log             *slog.Logger
}

// Member is a member of a consumer group.
type Member struct {
	cfg         Config
	groupConfig *sarama.Config
	queryConfig *sarama.Config
	assignment  *assignment
	appended    appendTimes
	topic       atomic.Pointer[TopicID] // nil before the first session
}

// New does not connect. The error is about the settings.
func New(cfg Config) (*Member, error) {
	m := &Member{cfg: cfg, assignment: newAssignment(cfg.Topic, cfg.explain)}
	var err error
	m.groupConfig, err = cfg.saramaConfig(func(conn net.Conn) net.Conn { return cfg.Limiter.Conn(conn, m.partitionFetched) })
	if err != nil {
		return nil, err
	}
	m.queryConfig, err = cfg.saramaConfig(cfg.Limiter.SeparateConn)
	return m, err
}

func (m *Member) partitionFetched(f fetchlimit.FetchedPartition) {
	if m.assignment.partitionFetched(f.Partition, f.Code) { // a broker could name any number of others
		m.appended.note(f)
	}
}

// Status returns the status that the page shows, without its history.
func (m *Member) Status() podstatus.Kafka { return m.assignment.status() }

// MaxRetryDelay is the longest delay before Kafka is tried again.
const MaxRetryDelay = 15 * time.Second

// Run reads until ctx ends.
func (m *Member) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { m.logStatus(ctx) })
	for try := 0; ctx.Err() == nil; try++ {
		started := time.Now()
		err := m.join(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > MaxRetryDelay {
			try = 0 // it had worked for a while
		}
		delay := kafkaconf.Backoff(try, MaxRetryDelay)
		m.assignment.joinFailed(err)
		m.cfg.OnChange()
		m.cfg.Log.WarnContext(ctx, "not reading from Kafka", slog.String("cause", m.cfg.explain(err).String()), slog.String("retry_in", delay.Round(time.Millisecond).String()))
		sleep(ctx, delay)
	}
}

func sleep(ctx context.Context, delay time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(delay):
	}
}

// join joins the group and handles sessions until one cannot start.
func (m *Member) join(ctx context.Context) error {
	client, err := sarama.NewClient(m.cfg.Kafka.Brokers, m.groupConfig)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // there is nothing to save: offsets are committed as a session ends
	queries, err := query.NewClient(m.cfg.Kafka.Brokers, m.cfg.Topic, m.queryConfig)
	if err != nil {
		return err
	}
	defer queries.Close() //nolint:errcheck // only read from
	groupClient := &groupClient{Client: client, query: queries, onFailure: m.assignment.partitionFailed}
	consumerGroup, err := sarama.NewConsumerGroupFromClient(m.cfg.Group, groupClient)
	if err != nil {
		return err
	}
	defer consumerGroup.Close() //nolint:errcheck // as above

	// If the topic is gone, or the right to read it, end the session: sarama would request the old partitions forever,
	// and nothing would show when reading works again.
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	go m.watchErrors(ctx, consumerGroup.Errors(), leave)
	go m.watchTopic(ctx, client, leave)
	for short := 0; ctx.Err() == nil; short++ {
		s := &session{member: m, client: client, query: queries, groupClient: groupClient}
		started := time.Now()
		if err := consumerGroup.Consume(ctx, []string{m.cfg.Topic}, s); err != nil {
			return err
		}
		if time.Since(started) > MaxRetryDelay {
			short = 0
		}
		cause := s.endCause()
		if short >= maxShortSessions && !errors.Is(cause, sarama.ErrRebalanceInProgress) {
			m.assignment.sessionsKeepEnding(cause)
			m.cfg.Log.WarnContext(ctx, "sessions end soon after they began", slog.String("cause", m.cfg.explain(cause).String()))
		}
		sleep(ctx, rejoinDelay(short, cause))
	}
	return context.Cause(ctx)
}

// maxShortSessions is how many short sessions in a row are not worth a warning.
const maxShortSessions = 2

// rejoinDelay returns the delay after a number of short sessions. Without one, a cause that ends each session at once
// would keep the group's members and the brokers busy. A group that rebalances waits for this member, so then the delay
// is short.
func rejoinDelay(short int, cause error) time.Duration {
	if !errors.Is(cause, sarama.ErrRebalanceInProgress) {
		return kafkaconf.Backoff(short, MaxRetryDelay)
	}
	if short == 0 {
		return 0
	}
	return kafkaconf.Backoff(short, time.Second)
}
