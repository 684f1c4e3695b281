package containers_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/query"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// leanLog is what several producers wrote into one partition of Kafka, one after the other by chance.
type leanLog struct {
	t      *testing.T
	client *query.Client
	leader *sarama.Broker
	admin  sarama.ClusterAdmin

	sealers []*envelope.Sealer
	values  [][]byte // by offset
	texts   []string
	headers []int64 // by offset: the last full record with the record's header
}

const (
	leanEvery = 64
	leanSize  = 4000 // of a message
)

func newLeanLog(t *testing.T, c *realkafka.Kafka, k harness.Keys, producers int) *leanLog {
	t.Helper()
	l := &leanLog{t: t, admin: harness.Admin(t, c)}
	segment := "1048576" // Kafka 4 has no smaller ones
	if err := l.admin.CreateTopic(harness.Topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"segment.bytes": &segment}}, false); err != nil {
		t.Fatal(err)
	}
	conf := sarama.NewConfig()
	conf.Version = sarama.V2_8_0_0
	var err error
	if l.client, err = query.NewClient(c.ListenAddrs(), harness.Topic, conf); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.client.Close() })
	harness.Eventually(t, "the topic has a leader", func() bool {
		l.leader, err = l.client.Leader(harness.Topic, 0)
		return err == nil
	})
	for range producers {
		s, err := envelope.NewSealer(envelope.SealerConfig{
			Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&k.Private.PublicKey},
			Headers: envelope.HeaderPolicy{Records: leanEvery, Interval: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		l.sealers = append(l.sealers, s)
	}
	return l
}

// write writes n records, each by one of the producers.
func (l *leanLog) write(c harness.Cluster, n int) {
	l.t.Helper()
	last := make(map[string]int64)
	for offset, value := range l.values {
		last[headerName(l.t, value)] = max(l.headers[offset], last[headerName(l.t, value)])
	}
	first := len(l.values)
	for range n {
		offset := int64(len(l.values))
		text := fmt.Sprintf("%0*d", leanSize, offset)
		value, err := l.sealers[rand.N(len(l.sealers))].Seal(nil, []byte(text), 0)
		if err != nil {
			l.t.Fatal(err)
		}
		if _, lean := envelope.LeanName(value); !lean {
			last[headerName(l.t, value)] = offset
		}
		l.values, l.texts, l.headers = append(l.values, value), append(l.texts, text), append(l.headers, last[headerName(l.t, value)])
	}
	for batch := range slices.Chunk(l.values[first:], 100) {
		harness.Write(l.t, c, 0, batch...)
	}
}

func headerName(t *testing.T, value []byte) string {
	t.Helper()
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	return d.HeaderName
}

// read reads records from Kafka, not from memory.
func (l *leanLog) read(from, to int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r, more := &query.Range{Next: from, End: to}, true
		for more && !r.Done {
			err := l.client.Fetch(l.leader, []*query.Range{r}, 1<<20, func(m *sarama.ConsumerMessage) { more = more && yield(m.Value, nil) })
			if err = errors.Join(err, r.Err); err != nil && more {
				yield(nil, err)
				return
			}
		}
	}
}

func (l *leanLog) oldest() int64 {
	l.t.Helper()
	offsets, err := l.client.Offsets(l.leader, []int32{0}, sarama.OffsetOldest)
	if err != nil {
		l.t.Fatal(err)
	}
	return offsets[0]
}

// check reads the first n records that Kafka still holds with a reader that knows nothing yet, and returns how many of each
// data key it cannot read before their next header.
func (l *leanLog) check(first int64, n int, opener *envelope.Opener) map[string]int {
	l.t.Helper()
	lost, waiting, offset := make(map[string]int), []int64{}, first
	for value, err := range l.read(first, first+int64(n)) {
		if err != nil {
			l.t.Fatal(err)
		}
		msg, err := opener.Open(nil, harness.Topic, value)
		name := headerName(l.t, value)
		if needed, lean := envelope.LeanName(value); lean && errors.Is(err, envelope.ErrNeedsHeader) {
			if lost[name]++; lost[name] == 1 {
				err := opener.FindHeaders(envelope.HeaderSearch{Topic: harness.Topic, Names: []envelope.HeaderName{needed}, Offset: offset, LogStart: first, Read: l.read})
				if !errors.Is(err, envelope.ErrHeaderLost) {
					l.t.Errorf("deleted up to %d: looking back from %d: %v", first, offset, err)
				}
			}
			waiting = append(waiting, offset)
		} else if err != nil || string(msg.Plaintext) != l.texts[offset] {
			l.t.Errorf("deleted up to %d: offset %d: %v", first, offset, err)
		}
		if gone := l.headers[offset] < first; gone != errors.Is(err, envelope.ErrNeedsHeader) {
			l.t.Errorf("deleted up to %d: offset %d: %v, and its header was at %d", first, offset, err, l.headers[offset])
		}
		offset++
	}
	if offset != min(first+int64(n), int64(len(l.values))) {
		l.t.Errorf("deleted up to %d: Kafka has only %d records", first, offset-first)
	}
	for _, at := range waiting { // if the reader waited
		if _, err := opener.Open(nil, harness.Topic, l.values[at]); err != nil {
			l.t.Errorf("deleted up to %d: offset %d after its next header: %v", first, at, err)
		}
	}
	return lost
}

// Without this, retention would delete a header and with it more than the specification says: records that are still in Kafka
// could not be read by a pod that starts, and nobody could tell how many. Records are deleted up to every offset of an
// interval and more, by hand, by Kafka's own retention, which deletes whole segments, and at the end behind the last header
// of all.
func TestRetentionLosesOneIntervalAtMost(t *testing.T) {
	t.Parallel()
	const producers, cuts, window = 3, 230, 450 // more than an interval of all producers, and of the slowest
	c := realkafka.Start(t, 0, map[string]string{"KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": "500", "KAFKA_LOG_INITIAL_TASK_DELAY_MS": "500"})
	k := harness.NewKeys(t)
	l := newLeanLog(t, c, k, producers)
	l.write(c, 1500)
	opener := func() *envelope.Opener {
		o := envelope.NewOpener(envelope.OpenerConfig{})
		if err := o.SetKeys(k.Private); err != nil {
			t.Fatal(err)
		}
		return o
	}
	most := 0
	within := func(lost map[string]int) {
		t.Helper()
		for name, n := range lost {
			if most = max(most, n); n >= leanEvery {
				t.Errorf("%d records of the data key with the header %s cannot be read, want less than %d", n, name, leanEvery)
			}
		}
	}
	for first := range int64(cuts) {
		if first > 0 {
			if err := l.admin.DeleteRecords(harness.Topic, map[int32]int64{0: first}); err != nil {
				t.Fatal(err)
			}
		}
		within(l.check(first, window, opener()))
	}
	if most != leanEvery-1 {
		t.Errorf("at most %d records of one data key could not be read, want %d: the worst case was not tried", most, leanEvery-1)
	}

	bytes := "2500000"
	if err := l.admin.IncrementalAlterConfig(sarama.TopicResource, harness.Topic, map[string]sarama.IncrementalAlterConfigsEntry{"retention.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &bytes}}, false); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "Kafka deletes segments", func() bool { return l.oldest() > cuts })
	within(l.check(l.oldest(), window, opener()))

	// The producers have stopped: no later record has the header. One record in 64 is a header; the last one must be none.
	for l.headers[len(l.headers)-1] == int64(len(l.headers)-1) {
		l.write(c, 1)
	}
	last := slices.Max(l.headers) + 1
	if err := l.admin.DeleteRecords(harness.Topic, map[int32]int64{0: last}); err != nil {
		t.Fatal(err)
	}
	left := len(l.values) - int(last)
	p, _ := harness.StartConsumer(t, c, k.Sidecar)
	p.Wait("the page says that nobody knows the headers", func() bool {
		records := p.Records()
		return len(records) == left && !slices.ContainsFunc(records, func(r harness.Record) bool {
			return r.State != "needs_header" || !strings.Contains(r.Reason, "knows none of that name")
		})
	})
	if left == 0 || left >= producers*leanEvery {
		t.Errorf("%d records are left", left)
	}
	l.write(c, window) // they go on
	p.Wait("all is decrypted", func() bool {
		return slices.Equal(harness.Values(p.Records()), l.texts[last:])
	})
	for _, r := range p.Records() {
		if len(r.Flags) > 0 {
			t.Errorf("offset %d is flagged %v", r.Offset, r.Flags)
		}
	}
}
