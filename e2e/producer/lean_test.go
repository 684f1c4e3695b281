package producer_test

import (
	"bytes"
	"fmt"
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
)

// kinds returns for each record of a partition F if it contains its header, and l if it names it.
func kinds(t *testing.T, records []*sarama.ConsumerMessage) string {
	t.Helper()
	var all strings.Builder
	for _, m := range records {
		d, err := envelope.Describe(m.Value)
		switch {
		case err != nil:
			t.Fatal(err)
		case d.Lean:
			all.WriteByte('l')
		default:
			all.WriteByte('F')
		}
	}
	return all.String()
}

// many is so many records that most are sealed after Kafka has acknowledged the first ones: more are never in flight.
const many = 10_000

// Without this every record would repeat the header, which costs Kafka and both programs more than the cipher does, or
// somebody who reads from the middle of a partition would wait for a header for long.
func TestProducerRepeatsTheHeaderOftenEnough(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 2)
	cfg := b.config()
	cfg.Format, cfg.Count = envelope.FormatEnvelope, many
	sum, err := b.run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, sum, many, many, 0)
	got, _ := b.follow(t, b.opener(t))
	wantNumbered(t, got, many)
	for partition, records := range b.stored(t) {
		all := kinds(t, records)
		if strings.Contains(all, strings.Repeat("l", 64)) || !strings.Contains(all, "l") || strings.Count(all, "l") < len(all)/2 {
			t.Errorf("partition %d: %s", partition, all)
		}
	}
}

// refuse answers a request with an error that the producer does not retry.
func refuse(request *kmsg.ProduceRequest) kmsg.Response {
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(request.GetVersion())
	for _, topic := range request.Topics {
		to := kmsg.NewProduceResponseTopic()
		to.Topic, to.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, kerr.InvalidRecord.Code
			to.Partitions = append(to.Partitions, p)
		}
		answer.Topics = append(answer.Topics, to)
	}
	return answer
}

// hasHeader reports whether a request holds a record that contains its header: only the header names the topic.
func hasHeader(request *kmsg.ProduceRequest) bool {
	for _, topic := range request.Topics {
		for _, partition := range topic.Partitions {
			if bytes.Contains(partition.Records, []byte(producerTopic)) {
				return true
			}
		}
	}
	return false
}

// readable checks that whatever Kafka acknowledged is there and opens, and returns the kinds of the records.
func (b *producerEnv) readable(t *testing.T, acknowledged uint64) string {
	t.Helper()
	opener, records := b.opener(t), b.stored(t)[0]
	for _, m := range records {
		if _, err := opener.Open(nil, producerTopic, m.Value); err != nil {
			t.Errorf("offset %d: %v", m.Offset, err)
		}
	}
	if len(records) != int(acknowledged) {
		t.Errorf("Kafka holds %d records and acknowledged %d", len(records), acknowledged)
	}
	return kinds(t, records)
}

// Without this Kafka could take records that nobody can ever read, and the producer would count them as delivered: those
// that name the header in a record that Kafka refused.
func TestRecordsBehindARefusedHeaderAreReadable(t *testing.T) {
	t.Parallel()
	t.Run("the first of all", func(t *testing.T) {
		t.Parallel()
		b := newProducerEnv(t, 1)
		cfg := b.config()
		cfg.Format, cfg.MetricsAddr = envelope.FormatEnvelope, harness.FreeAddr(t)
		sealed := make(chan struct{})
		b.broker.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
			produce, _ := request.(*kmsg.ProduceRequest) //nolint:errcheck // it is by its key
			b.broker.SleepControl(func() { <-sealed })
			return refuse(produce), nil, true
		})
		r := b.inBackground(t, cfg)
		writeNumbered(t, r.feed, 1, 200)
		harness.Eventually(t, "all records are sealed", func() bool {
			return strings.Contains(metricsOf(t, cfg.MetricsAddr, "/metrics"), "\ne2ee_producer_queue_records 200\n")
		})
		closing(t, r.feed) // so no later record repeats the header
		close(sealed)
		if err := <-r.ended; err == nil || r.sum.Sent != 200 || r.sum.Failed == 0 || r.sum.Acknowledged < 100 {
			t.Fatalf("%+v, %v", r.sum, err)
		}
		b.readable(t, r.sum.Acknowledged)
	})
	t.Run("any", func(t *testing.T) {
		t.Parallel()
		b := newProducerEnv(t, 1)
		cfg := b.config()
		cfg.Format, cfg.HeaderRecords, cfg.Limits.Records = envelope.FormatEnvelope, 4, 500 // several data keys
		var requests atomic.Int64
		b.broker.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.KeepControl()
			produce, _ := request.(*kmsg.ProduceRequest) //nolint:errcheck // it is by its key
			if !hasHeader(produce) || requests.Add(1)%3 != 0 {
				return nil, nil, false
			}
			return refuse(produce), nil, true
		})
		r := b.inBackground(t, cfg)
		for n := 1; n <= 3000; n++ {
			writeNumbered(t, r.feed, n, n)
			if n%10 == 0 {
				time.Sleep(time.Millisecond) // many small requests
			}
		}
		closing(t, r.feed)
		if err := <-r.ended; err == nil || r.sum.Sent != 3000 || r.sum.Failed == 0 || r.sum.Acknowledged < 500 {
			t.Fatalf("%+v, %v", r.sum, err)
		}
		if all := b.readable(t, r.sum.Acknowledged); !strings.Contains(all, "l") {
			t.Errorf("the records are %s", all)
		}
	})
}

// Without this the records that a compacted topic keeps could not be read: compaction deletes records one by one, and the
// header with them.
func TestEveryKeptRecordOfACompactedTopicIsReadable(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 0)
	b.start(t, kfake.NumBrokers(1))
	if err := b.broker.CreateTopic(producerTopic, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.Format, cfg.KeySeparator, cfg.MetricsAddr = envelope.FormatEnvelope, "=", harness.FreeAddr(t)
	r := b.inBackground(t, cfg)
	for n := range 1000 {
		fmt.Fprintf(r.feed, "key %d=value %d\n", n*n%307, n) //nolint:errcheck // the summary shows it
	}
	b.waitAcknowledged(t, cfg.MetricsAddr, 1000)
	fmt.Fprintln(r.feed, "last=it is in a batch of its own, which is never compacted") //nolint:errcheck // the summary shows it
	closing(t, r.feed)
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	wantSummary(t, r.sum, 1001, 1001, 0)
	b.broker.Compact()
	records := b.storedWithKeys(t)[0]
	if len(records) == 0 || len(records) > 500 {
		t.Fatalf("%d records are left", len(records))
	}
	for _, m := range records {
		if _, err := b.opener(t).Open(nil, producerTopic, m.Value); err != nil { // an opener that has read nothing else
			t.Errorf("the record of %q: %v", m.Key, err)
		}
	}
	waitForLog(t, b.log, "the topic is compacted: every record contains its header")
}

// Without this a topic that is compacted later, or of which the producer may not ask, could keep records that nobody can
// read.
func TestRecordsWithAKeyUnlessTheTopicIsNotCompacted(t *testing.T) {
	t.Parallel()
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		for key, lean := range map[string]bool{"": true, "key": false} {
			b := newProducerEnv(t, 1)
			b.broker.ControlKey(int16(kmsg.DescribeConfigs), func(request kmsg.Request) (kmsg.Response, error, bool) {
				b.broker.KeepControl()
				answer := kmsg.NewPtrDescribeConfigsResponse()
				answer.SetVersion(request.GetVersion())
				resource := kmsg.NewDescribeConfigsResponseResource()
				resource.ErrorCode, resource.ResourceType, resource.ResourceName = kerr.TopicAuthorizationFailed.Code, kmsg.ConfigResourceTypeTopic, producerTopic
				answer.Resources = append(answer.Resources, resource)
				return answer, nil, true
			})
			cfg := b.config()
			cfg.Format, cfg.Key, cfg.Count = envelope.FormatEnvelope, key, many
			if sum, err := b.run(t.Context(), cfg, nil); err != nil || sum.Acknowledged != many {
				t.Fatal(sum, err)
			}
			if got := kinds(t, b.storedWithKeys(t)[0]); strings.Contains(got, "l") != lean {
				t.Errorf("with key %q: %s", key, got)
			}
			if !strings.Contains(b.log.String(), "Kafka does not say whether the topic is compacted") {
				t.Errorf("the log: %s", b.log)
			}
		}
	})
	t.Run("changed", func(t *testing.T) {
		t.Parallel()
		b := newProducerEnv(t, 0)
		b.start(t, kfake.NumBrokers(1))
		if err := b.broker.CreateTopic(producerTopic, 1, map[string]string{"cleanup.policy": "delete"}); err != nil {
			t.Fatal(err)
		}
		cfg := b.config()
		cfg.Format, cfg.Key, cfg.Limits = envelope.FormatEnvelope, "key", shortLived
		cfg.HeaderInterval = time.Minute
		r := b.inBackground(t, cfg)
		next := 1
		feed := func() {
			writeNumbered(t, r.feed, next, next)
			next++
		}
		harness.Eventually(t, "a record names its header", func() bool {
			for range 100 {
				feed()
				time.Sleep(time.Millisecond)
			}
			return strings.Contains(kinds(t, b.storedWithKeys(t)[0]), "l")
		})
		compact := "compact"
		admin := harness.Admin(t, b.broker)
		if err := admin.AlterConfig(sarama.TopicResource, producerTopic, map[string]*string{"cleanup.policy": &compact}, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * shortLived.Age) // the next record has another data key
		first := next
		for range 200 {
			feed()
			time.Sleep(time.Millisecond)
		}
		closing(t, r.feed)
		if err := <-r.ended; err != nil {
			t.Fatal(err)
		}
		if got := kinds(t, b.storedWithKeys(t)[0])[first-1:]; strings.Contains(got, "l") {
			t.Errorf("compacted now: %s", got)
		}
	})
}

// Without this the documents would promise too much: what a message takes in the topic, for one reader and for sixteen.
func TestBytesOfLeanRecords(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 0)
	one := harness.PublicPEM(t, &harness.NewKeyOf(t, 3072).PublicKey)
	sixteen := ""
	for range 16 {
		sixteen += harness.PublicPEM(t, &harness.NewKeyOf(t, 3072).PublicKey)
	}
	signing, _ := harness.NewSender(t, harness.SenderName)
	for _, test := range []struct {
		readers       string
		size, records int
		most          float64 // bytes in the topic for each byte of the messages
	}{
		{one, 100, 50_000, 1.70},
		{one, 1 << 10, 10_000, 1.07},
		{one, 10 << 10, 1_000, 1.01},
		{sixteen, 1 << 10, 10_000, 1.20},
	} {
		b.start(t, kfake.NumBrokers(1), kfake.SeedTopics(1, producerTopic))
		cfg := b.config()
		cfg.Linger = 50 * time.Millisecond // a record that is alone in its batch takes 61 bytes more
		cfg.Format, cfg.PublicKey, cfg.SigningKeyFile, cfg.MetricsAddr = envelope.FormatEnvelope, test.readers, signing, harness.FreeAddr(t)
		r := b.inBackground(t, cfg)
		line := strings.Repeat("x", test.size) + "\n"
		fmt.Fprint(r.feed, line) //nolint:errcheck // the summary shows it
		b.waitAcknowledged(t, cfg.MetricsAddr, 1)
		for range test.records / 100 {
			fmt.Fprint(r.feed, strings.Repeat(line, 100)) //nolint:errcheck // the summary shows it
		}
		closing(t, r.feed)
		if err := <-r.ended; err != nil {
			t.Fatal(err)
		}
		messages := (test.records + 1) * test.size
		got := float64(b.broker.PartitionInfo(producerTopic, 0).NumBytes) / float64(messages)
		t.Logf("%d readers, %d bytes: %.3f", strings.Count(test.readers, "BEGIN"), test.size, got)
		if got > test.most {
			t.Errorf("%d readers, messages of %d bytes: %.3f bytes for each byte, want at most %.2f", strings.Count(test.readers, "BEGIN"), test.size, got, test.most)
		}
	}
}
