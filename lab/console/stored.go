package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	keptRecords = 1000     // of the newest ones, as in a pod of the lab
	keptBytes   = 2 << 10  // of a value: more than is shown
	fetchBytes  = 4 << 20  // of one answer of the broker
	unpacked    = 16 << 20 // of one batch
	retryAfter  = 250 * time.Millisecond
	quietTime   = 2 * time.Second // without a record, after which Kafka is asked whether it is there
)

// storedRecord is a record as Kafka stores it: what its operators see.
type storedRecord struct {
	Position
	key, value []byte            // their starts, if they are long
	null       bool              // there is no value
	sum        [sha256.Size]byte // of the whole value
	size       int               // of the value
	at         time.Time
	read       time.Time // by the console
	header     header
	repeated   bool // an earlier record has the same header
	deleted    bool // Kafka does not hold it any more
}

// storedLog holds the newest records of the topic, oldest first, in the order in which Kafka delivered them.
type storedLog struct {
	mu       sync.Mutex
	records  []storedRecord
	starts   map[int32]int64 // of the partitions
	snapshot []storedRecord  // a copy of records that readers share; nil: none was asked for since the last change
	problem  bool            // Kafka does not answer
}

// follow reads the topic until ctx ends. When anything goes wrong, the topic's deletion among it, it starts again at the
// newest records.
func (l *storedLog) follow(ctx context.Context, broker, topic string) {
	for ctx.Err() == nil {
		failed := l.read(ctx, broker, topic)
		l.mu.Lock()
		l.problem = failed
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// read follows the topic until a problem, and reports whether it was one of reaching Kafka.
func (l *storedLog) read(ctx context.Context, broker, topic string) (unreachable bool) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd().Relative(-keptRecords)),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchBytes), kgo.MaxDecompressBatchBytes(unpacked), kgo.MaxBufferedRecords(10*keptRecords),
		kgo.FetchMaxWait(250*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(2*time.Second),
		kgo.KeepRetryableFetchErrors(), kgo.RetryTimeout(quietTime),
	)
	if err != nil {
		return true
	}
	defer client.Close()
	asking, stop := context.WithCancel(ctx)
	var starts sync.WaitGroup
	starts.Go(func() { l.followStarts(asking, client, topic) })
	defer starts.Wait()
	defer stop()
	for answers(ctx, client) {
		l.mu.Lock()
		l.problem = false
		l.mu.Unlock()
		for quiet := false; !quiet; {
			polling, end := context.WithTimeout(ctx, quietTime)
			fetches := client.PollRecords(polling, keptRecords)
			quiet = polling.Err() != nil
			end()
			fetches.EachRecord(func(r *kgo.Record) { l.add(newStoredRecord(r)) })
			if fetches.Err() != nil && !quiet {
				return !answers(ctx, client)
			}
		}
	}
	return ctx.Err() == nil
}

// answers reports whether Kafka does.
func answers(ctx context.Context, client *kgo.Client) bool {
	ctx, end := context.WithTimeout(ctx, quietTime)
	defer end()
	return client.Ping(ctx) == nil
}

func newStoredRecord(r *kgo.Record) storedRecord {
	start := func(b []byte) []byte { return bytes.Clone(b[:min(len(b), keptBytes)]) } // the batch's memory is not kept
	return storedRecord{
		Position: Position{r.Partition, r.Offset}, key: start(r.Key), value: start(r.Value), null: r.Value == nil, sum: sha256.Sum256(r.Value), size: len(r.Value), at: r.Timestamp, read: time.Now(),
		header: readHeader(r.Value),
	}
}

// add appends a record. A position that is not after the partition's newest one means that the topic was recreated, or is
// read again: the records from there on are replaced.
func (l *storedLog) add(r storedRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = slices.DeleteFunc(l.records, func(old storedRecord) bool { return old.Partition == r.Partition && old.Offset >= r.Offset })
	r.repeated = r.header.size > 0 && slices.ContainsFunc(l.records, func(old storedRecord) bool { return old.header == r.header })
	if len(l.records) == keptRecords {
		l.records = slices.Delete(l.records, 0, 1)
	}
	l.records, l.snapshot = append(l.records, r), nil
}

// newest returns the newest records, oldest first, and whether Kafka answers. Nobody may change them: all callers get the
// same ones.
func (l *storedLog) newest() (records []storedRecord, reachable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.snapshot == nil {
		l.snapshot = slices.Clone(l.records)
		for i, r := range l.snapshot {
			l.snapshot[i].deleted = r.Offset < l.starts[r.Partition]
		}
	}
	return l.snapshot, !l.problem
}
