package producer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/producer"
)

// runningProducer reads its lines from feed until end is called.
type runningProducer struct {
	feed  io.WriteCloser
	end   context.CancelFunc
	ended chan error
	sum   producer.Summary
}

func (b *producerEnv) inBackground(t *testing.T, cfg producer.Config) *runningProducer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	t.Cleanup(cancel)
	in, feed := io.Pipe()
	t.Cleanup(func() { closing(t, feed) })
	r := &runningProducer{feed: feed, end: cancel, ended: make(chan error, 1)}
	go func() {
		var err error
		r.sum, err = b.run(ctx, cfg, in)
		r.ended <- err
	}()
	return r
}

// stopped ends the run and returns its error.
func (r *runningProducer) stopped(t *testing.T) error {
	t.Helper()
	r.end()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(harness.Timeout):
		t.Fatal("the producer does not end")
		return nil
	}
}

func metricsOf(t *testing.T, addr, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, response.Body)
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return string(body)
}

// missing returns what /readyz lists first, such as "kafka no_topic: the topic does not exist"; empty if nothing is missing.
func missing(t *testing.T, addr string) string {
	t.Helper()
	for _, m := range harness.ParseMissing(t, []byte(metricsOf(t, addr, "/readyz"))) {
		return m.Part + " " + m.State + ": " + m.Detail
	}
	return ""
}

// Without this a producer whose records Kafka does not accept would look healthy.
func TestProducerSaysThatReplicasAreMissing(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	var short atomic.Bool
	short.Store(true)
	b.broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		write, ok := req.(*kmsg.ProduceRequest)
		if !ok || !short.Load() {
			return nil, nil, false
		}
		answer := kmsg.NewPtrProduceResponse()
		answer.SetVersion(req.GetVersion())
		for _, topic := range write.Topics {
			to := kmsg.NewProduceResponseTopic()
			to.Topic = topic.Topic
			for _, p := range topic.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
				to.Partitions = append(to.Partitions, part)
			}
			answer.Topics = append(answer.Topics, to)
		}
		return answer, nil, true
	})
	cfg := b.config()
	cfg.MetricsAddr = harness.FreeAddr(t)
	r := b.inBackground(t, cfg)
	writeNumbered(t, r.feed, 1, 100)
	waitForLog(t, b.log, "fewer replicas are in sync than the topic demands")
	if got := missing(t, cfg.MetricsAddr); !strings.HasPrefix(got, "kafka refused: fewer replicas") {
		t.Errorf("/readyz: %s", got)
	}
	metrics := metricsOf(t, cfg.MetricsAddr, "/metrics")
	for _, want := range []string{`e2ee_kafka_state{state="refused"} 1`, `e2ee_kafka_state{state="writing"} 0`, "e2ee_producer_oldest_unacknowledged_seconds "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%q is missing in the metrics", want)
		}
	}
	if strings.Contains(metrics, "e2ee_producer_oldest_unacknowledged_seconds 0\n") {
		t.Error("nothing seems to wait")
	}
	short.Store(false)
	waitForLog(t, b.log, "writing to Kafka again")
	if got := missing(t, cfg.MetricsAddr); got != "" {
		t.Errorf("/readyz: %s", got)
	}
	if err := r.stopped(t); err != nil {
		t.Fatal(err)
	}
	wantNumbered(t, b.decrypted(t), int(r.sum.Sent))
	if n := strings.Count(b.log.String(), "not writing to Kafka"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, b.log)
	}
}

// counting counts the metadata requests for the topic.
func (b *producerEnv) counting() *atomic.Int64 {
	var asked atomic.Int64
	b.broker.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	return &asked
}

// Without this the log would blame healthy brokers when the topic was deleted, and the producer would ask for it
// thousands of times a second until somebody killed it.
func TestProducerWhenItsTopicIsDeleted(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 3)
	cfg := b.config()
	cfg.MetricsAddr = harness.FreeAddr(t)
	r := b.inBackground(t, cfg)
	writeNumbered(t, r.feed, 1, 10)
	for start := time.Now(); !strings.Contains(metricsOf(t, cfg.MetricsAddr, "/metrics"), `{outcome="acknowledged"} 10`); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > harness.Timeout {
			t.Fatal("the records are not acknowledged")
		}
	}
	asked := b.counting()
	admin, err := sarama.NewClusterAdmin([]string{b.addr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, admin)
	if err := admin.DeleteTopic(producerTopic); err != nil {
		t.Fatal(err)
	}
	writeNumbered(t, r.feed, 11, 20)
	waitForLog(t, b.log, "the topic does not exist (hint: check TOPIC")
	go writeNumbered(t, r.feed, 21, 1_000_000) // more than the queue holds
	if got := missing(t, cfg.MetricsAddr); !strings.HasPrefix(got, "kafka no_topic: the topic does not exist") {
		t.Errorf("/readyz: %s", got)
	}
	before := asked.Load()
	err = r.stopped(t)
	if err == nil || !strings.Contains(err.Error(), "last cause: the topic does not exist") || r.sum.Failed == 0 || r.sum.Acknowledged != 10 {
		t.Errorf("%+v, %v", r.sum, err)
	}
	time.Sleep(time.Second) // no goroutine may go on asking either
	if more := asked.Load() - before; before > 200 || more > 200 {
		t.Errorf("%d questions about the topic before the end, %d after it began", before, more)
	}
	if strings.Contains(b.log.String(), "no broker answers") {
		t.Errorf("brokers are blamed: %s", b.log)
	}
}

// Without this a producer could not stop while no partition has a leader: it waits for one before it seals.
func TestProducerEndsWithoutLeaders(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		b := newProducerEnv(t, 2)
		var leaderless atomic.Bool
		var asked atomic.Int64
		b.broker.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.KeepControl()
			asked.Add(1)
			question, ok := req.(*kmsg.MetadataRequest)
			if !ok || !leaderless.Load() {
				return nil, nil, false
			}
			return b.withoutLeaders(question), nil, true
		})
		cfg := b.config()
		cfg.Format = format
		r := b.inBackground(t, cfg)
		waitForLog(t, b.log, "connected")
		leaderless.Store(true)
		b.broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.KeepControl()
			return nil, io.EOF, true // so that sarama asks who leads
		})
		go writeNumbered(t, r.feed, 1, 1_000_000)
		waitForLog(t, b.log, "a partition has no leader")
		err := r.stopped(t)
		if err == nil || !strings.Contains(err.Error(), "last cause: a partition has no leader") || r.sum.Failed == 0 {
			t.Errorf("%+v, %v", r.sum, err)
		}
		if n := asked.Load(); n > 300 {
			t.Errorf("%d questions about the topic", n)
		}
	})
}

// withoutLeaders answers that the topic exists and none of its partitions has a leader.
func (b *producerEnv) withoutLeaders(question *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	answer := kmsg.NewPtrMetadataResponse()
	answer.SetVersion(question.GetVersion())
	node := kmsg.NewMetadataResponseBroker()
	host, port, _ := strings.Cut(b.addr, ":")
	node.Host = host
	_, _ = fmt.Sscan(port, &node.Port) //nolint:errcheck // it is a number
	answer.Brokers, answer.ControllerID = append(answer.Brokers, node), node.NodeID
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = kmsg.StringPtr(producerTopic)
	for partition := range int32(2) {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.ErrorCode, p.Leader = partition, kerr.LeaderNotAvailable.Code, -1
		topic.Partitions = append(topic.Partitions, p)
	}
	answer.Topics = append(answer.Topics, topic)
	return answer
}

// Without this a line that fits the topic's raised limit would be refused until the producer is restarted.
func TestProducerSeesThatTheTopicTakesMore(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		b := newProducerEnv(t, 0)
		b.start(t, kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
		topicOf(t, b.addr, "1000")
		cfg := b.config()
		cfg.Format = format
		r := b.inBackground(t, cfg)
		line := strings.Repeat("x", 5000) + "\n"
		for _, text := range []string{"a\n", line} {
			if _, err := io.WriteString(r.feed, text); err != nil {
				t.Fatal(err)
			}
		}
		waitForLog(t, b.log, "raise the topic's max.message.bytes")
		conf := sarama.NewConfig()
		conf.Version = sarama.V3_6_0_0
		admin, err := sarama.NewClusterAdmin([]string{b.addr}, conf)
		if err != nil {
			t.Fatal(err)
		}
		defer closing(t, admin)
		limit := "100000"
		if err := admin.AlterConfig(sarama.TopicResource, producerTopic, map[string]*string{"max.message.bytes": &limit}, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond) // it asks once a second at most
		for _, text := range []string{line, "b\n"} {
			if _, err := io.WriteString(r.feed, text); err != nil {
				t.Fatal(err)
			}
		}
		closing(t, r.feed)
		err = <-r.ended
		if err == nil || r.sum.Failed != 1 || r.sum.Acknowledged != 3 {
			t.Fatalf("%+v, %v: %s", r.sum, err, b.log)
		}
		if got, _ := b.follow(t, b.opener(t)); len(got[0]) != 3 || len(got[0][1]) != 5000 || got[0][2] != "b" {
			t.Errorf("got %d records", len(got[0]))
		}
	})
}

// Without this records with the same key would be spread over partitions, out of order, and nobody could write to a
// compacted topic.
func TestProducerKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*producer.Config)
		in   string
		want []string // KEY=TEXT in partition, key and order
		sum  producer.Summary
	}{
		"KEY":       {func(c *producer.Config) { c.Key = "kafka" }, "one\ntwo\n", []string{"1 kafka=one", "1 kafka=two"}, producer.Summary{Sent: 2, Acknowledged: 2}},
		"separator": {func(c *producer.Config) { c.KeySeparator = "\t" }, "foo\t1\nbar\t2\nno key\nfoo\t3\n\t4\n", []string{"0 bar=2", "0 =4", "2 foo=1", "2 foo=3"}, producer.Summary{Sent: 4, Acknowledged: 4, Failed: 1}},
	} {
		for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
			b := newProducerEnv(t, 3)
			cfg := b.config()
			cfg.Format = format
			test.set(&cfg)
			sum, err := b.run(t.Context(), cfg, strings.NewReader(test.in))
			if sum != test.sum || (err == nil) != (sum.Failed == 0) {
				t.Errorf("%s, %s: %+v, %v", name, format, sum, err)
			}
			opener, got := b.opener(t), []string(nil)
			for partition, records := range b.storedWithKeys(t) {
				for _, m := range records {
					text, err := opener.Open(nil, producerTopic, m.Value)
					if err != nil {
						t.Fatal(err)
					}
					if m.Key == nil {
						t.Errorf("%s, %s: a record without a key", name, format)
					}
					got = append(got, fmt.Sprintf("%d %s=%s", partition, m.Key, text.Plaintext))
				}
			}
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("%s, %s: got %q, want %q", name, format, got, test.want)
			}
		}
	}
}
