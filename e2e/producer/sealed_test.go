package producer_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/producer"
)

// follow opens what Kafka holds and follows the counters. It returns the messages by partition, and the key ids.
func (b *producerEnv) follow(t *testing.T, opener *envelope.Opener) (texts [][]string, keys []string) {
	t.Helper()
	tracker := replay.NewTracker(replay.Config{})
	for partition, records := range b.stored(t) {
		var list []string
		for _, m := range records {
			msg, err := opener.Open(nil, producerTopic, m.Value)
			if err != nil {
				t.Fatalf("partition %d, offset %d: %v", partition, m.Offset, err)
			}
			if flags, err := tracker.Follow(&msg, replay.Position{Partition: m.Partition, Offset: m.Offset}); err != nil || flags != (replay.Flags{}) {
				t.Errorf("partition %d, offset %d: %v, %v", partition, m.Offset, flags, err)
			}
			if list == nil && msg.Counter != 0 {
				t.Errorf("partition %d begins with counter %d", partition, msg.Counter)
			}
			list, keys = append(list, string(msg.Plaintext)), append(keys, msg.KeyID)
		}
		texts = append(texts, list)
	}
	return texts, keys
}

func (b *producerEnv) opener(t *testing.T) *envelope.Opener {
	t.Helper()
	o := envelope.NewOpener(envelope.OpenerConfig{})
	if err := o.SetKeys(b.key); err != nil {
		t.Fatal(err)
	}
	return o
}

// Without this every reader would see gaps and late records that do not exist.
func TestProducerCountersReachKafkaInOrder(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		b := newProducerEnv(t, 3)
		cfg := b.config()
		cfg.Format, cfg.Count = format, 5000
		sum, err := b.run(t.Context(), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantSummary(t, sum, 5000, 5000, 0)
		got, _ := b.follow(t, b.opener(t))
		wantNumbered(t, got, 5000)
		for partition, texts := range got {
			if len(texts) == 0 {
				t.Errorf("partition %d got nothing", partition)
			}
		}
	})
}

// Without this an outage of Kafka would look like an attack: a retry must send the same record in the same position.
func TestProducerSealsOnceAcrossAnOutage(t *testing.T) {
	t.Parallel()
	port := harness.FreePort(t)
	b := newProducerEnv(t, 0)
	b.addr = fmt.Sprintf("127.0.0.1:%d", port)
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(2, producerTopic), kfake.DataDir(t.TempDir()), kfake.SyncWrites()}
	b.start(t, opts...)
	cfg := b.config()
	cfg.Format = envelope.FormatEnvelope
	in, feed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := b.run(t.Context(), cfg, in)
		ended <- err
	}()
	writeNumbered(t, feed, 1, 100)
	waitForLog(t, b.log, "connected")
	b.broker.Close()
	writeNumbered(t, feed, 101, 200)
	waitForLog(t, b.log, "not writing to Kafka")
	b.start(t, opts...)
	writeNumbered(t, feed, 201, 300)
	closing(t, feed)
	if err := <-ended; err != nil {
		t.Fatal(err, b.log)
	}
	got, _ := b.follow(t, b.opener(t))
	wantNumbered(t, got, 300)
}

// Without this a new key pair would need a restart of the producer, and a typo in a file could stop it or let it seal
// for nobody.
func TestProducerFollowsItsKeyFile(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		b := newProducerEnv(t, 1)
		next := harness.NewKey(t)
		file := filepath.Join(t.TempDir(), "pubkey.pem")
		put := func(text string) {
			t.Helper()
			harness.ReplaceFile(t, file, text)
		}
		put(b.pem)
		cfg := b.config()
		cfg.Format, cfg.PublicKey, cfg.PublicKeyFile, cfg.PublicKeyGrace = format, "", file, time.Hour
		in, feed := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			_, err := b.run(t.Context(), cfg, in)
			ended <- err
		}()
		writeNumbered(t, feed, 1, 10)
		waitForLog(t, b.log, "connected")
		put("hunter2")
		waitForLog(t, b.log, "cannot be used, sealing with the ones before")
		writeNumbered(t, feed, 11, 20)
		put(harness.PublicPEM(t, &next.PublicKey))
		waitForLog(t, b.log, "sealing with the new ones")
		writeNumbered(t, feed, 21, 30)
		closing(t, feed)
		if err := <-ended; err != nil {
			t.Fatal(err, b.log)
		}
		opener := b.opener(t)
		if err := opener.SetKeys(b.key, next); err != nil {
			t.Fatal(err)
		}
		got, keys := b.follow(t, opener)
		wantNumbered(t, got, 30)
		for i, id := range keys {
			// One record may be read before the file changes and sealed after it.
			if want := envelope.KeyID(&b.key.PublicKey); i < 20 && id != want {
				t.Errorf("message %d is for the new key", i+1)
			} else if i >= 20 && id == want {
				t.Errorf("message %d is for the old key", i+1)
			}
		}
		if log := b.log.String(); strings.Contains(log, "hunter2") || strings.Contains(log, file) || strings.Count(log, "cannot be used") != 1 {
			t.Errorf("log: %s", log)
		}
	})
}

// Without this a record that is too long would be lost without an error, or one that fits would be refused.
func TestProducerLengths(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		for limit, test := range map[string]struct{ fits, tooLong int }{
			"":        {500 << 10, 1 << 20}, // the default of 1 MiB, with its overhead
			"2097152": {1 << 20, 2 << 20},
			"1000":    {10, 700},
		} {
			b := newProducerEnv(t, 0)
			b.start(t, kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
			topicOf(t, b.addr, limit)
			cfg := b.config()
			cfg.Format = format
			in := strings.NewReader("a\n" + strings.Repeat("x", test.tooLong) + "\n" + strings.Repeat("y", test.fits) + "\nb\n")
			sum, err := b.run(t.Context(), cfg, in)
			if err == nil {
				t.Errorf("max.message.bytes=%s: a line that is too long must be an error", limit)
			}
			wantSummary(t, sum, 3, 3, 1)
			if log := b.log.String(); !strings.Contains(log, `"line":2`) || !strings.Contains(log, "that this topic holds") {
				t.Errorf("max.message.bytes=%s: %s", limit, log)
			}
			if got, _ := b.follow(t, b.opener(t)); len(got[0]) != 3 || len(got[0][1]) != test.fits {
				t.Errorf("max.message.bytes=%s: got %d records", limit, len(got[0]))
			}
		}
	})
}

func topicOf(t *testing.T, addr, limit string) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	a, err := sarama.NewClusterAdmin([]string{addr}, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, a)
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	if limit != "" {
		detail.ConfigEntries = map[string]*string{"max.message.bytes": &limit}
	}
	if err := a.CreateTopic(producerTopic, detail, false); err != nil {
		t.Fatal(err)
	}
}

// Without this several readers could not share a topic.
func TestProducerForSeveralReaders(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	second := harness.NewKey(t)
	cfg := b.config()
	cfg.Format, cfg.Count, cfg.PublicKey = envelope.FormatEnvelope, 3, b.pem+harness.PublicPEM(t, &second.PublicKey)
	if _, err := b.run(context.Background(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	for _, opener := range []*envelope.Opener{b.opener(t), (&producerEnv{key: second}).opener(t)} {
		got, _ := b.follow(t, opener)
		wantNumbered(t, got, 3)
	}
	cfg.Format = envelope.FormatJWE
	if _, err := producer.Load(nothing); err == nil {
		t.Error("no settings at all are accepted")
	}
	if _, err := b.run(context.Background(), cfg, nil); err == nil || !strings.Contains(err.Error(), "takes exactly one") {
		t.Errorf("two keys in the format jwe: %v", err)
	}
}

func nothing(string) (string, bool) { return "", false }
