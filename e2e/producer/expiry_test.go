package producer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// shortLived makes a data key expire ten seconds after its first record, so that a test can wait for it. A record that a busy
// machine stores later than that is sealed again, and is there twice.
var shortLived = envelope.Limits{Age: time.Second, Hold: 9 * time.Second}

func (b *producerEnv) waitAcknowledged(t *testing.T, addr string, n int) {
	t.Helper()
	harness.Eventually(t, "records are acknowledged", func() bool {
		return strings.Contains(metricsOf(t, addr, "/metrics"), fmt.Sprintf("{outcome=\"acknowledged\"} %d\n", n))
	})
}

// wantFresh checks that the records behind the first n arrived before their data keys expired. All of them arrived after
// that time.
func (b *producerEnv) wantFresh(t *testing.T, n int, after time.Time) {
	t.Helper()
	opener := b.opener(t)
	for _, records := range b.stored(t) {
		for _, m := range records {
			msg, err := opener.Open(nil, producerTopic, m.Value)
			if err != nil {
				t.Fatal(err)
			}
			var number int
			if _, err := fmt.Sscanf(string(msg.Plaintext), "Msg %d: canary", &number); err != nil {
				t.Fatal(err)
			}
			if number > n && msg.Expires.Before(after) {
				t.Errorf("%q arrived at least %s after its data key expired", msg.Plaintext, after.Sub(msg.Expires))
			}
		}
	}
}

// Without this the messages of a long outage would all be rejected by readers who want fresh records, or be lost, or be
// out of order.
func TestProducerSealsAgainAfterALongOutage(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		port := harness.FreePort(t)
		b := newProducerEnv(t, 0)
		b.addr = fmt.Sprintf("127.0.0.1:%d", port)
		opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(2, producerTopic), kfake.DataDir(t.TempDir()), kfake.SyncWrites()}
		b.start(t, opts...)
		cfg := b.config()
		cfg.Format, cfg.Limits, cfg.MetricsAddr = format, shortLived, harness.FreeAddr(t)
		r := b.inBackground(t, cfg)
		writeNumbered(t, r.feed, 1, 100)
		b.waitAcknowledged(t, cfg.MetricsAddr, 100)
		b.broker.Close()
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			writeNumbered(t, r.feed, 101, 6000) // more than the window holds
		}()
		waitForLog(t, b.log, "sealing them again under a new data key")
		time.Sleep(shortLived.Age + shortLived.Hold) // the connection is not there yet, so this costs no further sealing
		back := time.Now()
		b.start(t, opts...)
		<-fed
		writeNumbered(t, r.feed, 6001, 6010)
		closing(t, r.feed)
		if err := <-r.ended; err != nil {
			t.Fatal(err, b.log)
		}
		wantSummary(t, r.sum, 6010, 6010, 0)
		got, _ := b.follow(t, b.opener(t))
		wantNumbered(t, got, 6010)
		b.wantFresh(t, 100, back)
	})
}

// Without this a record could arrive long after its data key expired if a broker answers nothing and then everything.
func TestProducerSealsAgainIfABrokerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	cfg := b.config()
	cfg.Format, cfg.Limits, cfg.MetricsAddr = envelope.FormatEnvelope, shortLived, harness.FreeAddr(t)
	r := b.inBackground(t, cfg)
	writeNumbered(t, r.feed, 1, 10)
	b.waitAcknowledged(t, cfg.MetricsAddr, 10)
	answer := make(chan struct{})
	b.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.SleepControl(func() { <-answer })
		return nil, errors.New("the request is lost"), true
	})
	writeNumbered(t, r.feed, 11, 20)
	waitForLog(t, b.log, "sealing them again under a new data key")
	back := time.Now()
	close(answer)
	writeNumbered(t, r.feed, 21, 30)
	closing(t, r.feed)
	if err := <-r.ended; err != nil {
		t.Fatal(err, b.log)
	}
	wantSummary(t, r.sum, 30, 30, 0)
	got, _ := b.follow(t, b.opener(t))
	wantNumbered(t, got, 30)
	b.wantFresh(t, 10, back)
}

// Without this the documents would promise too much: a record that was stored, and whose acknowledgement was withheld until
// its data key expired, is there twice.
func TestProducerSealsAgainIfAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	cfg := b.config()
	cfg.Format, cfg.Limits = envelope.FormatEnvelope, shortLived
	fault := b.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: -1})
	r := b.inBackground(t, cfg)
	writeNumbered(t, r.feed, 1, 1)
	waitForLog(t, b.log, "sealing them again under a new data key")
	fault.Remove()
	closing(t, r.feed)
	if err := <-r.ended; err != nil {
		t.Fatal(err, b.log)
	}
	wantSummary(t, r.sum, 1, 1, 0)
	got, _ := b.follow(t, b.opener(t))
	if texts := got[0]; len(texts) != 2 || texts[0] != texts[1] {
		t.Errorf("Kafka holds %q, want the message twice", texts)
	}
}
