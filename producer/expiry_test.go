package producer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// fakeKafka is a Kafka that takes records while up is set. Its producers keep the others, and fail them once they are
// closed, as sarama does. A real client does not work on a fake clock.
type fakeKafka struct {
	up     atomic.Bool
	room   int // messages that a producer takes while Kafka is away; then it blocks
	stored []storedRecord
	opened int // connections
}

type storedRecord struct {
	partition int32
	value     []byte
	at        time.Time
}

// fakeProducer is a producer of one connection.
type fakeProducer struct {
	sarama.AsyncProducer
	kafka     *fakeKafka
	input     chan *sarama.ProducerMessage
	successes chan *sarama.ProducerMessage
	errors    chan *sarama.ProducerError
	closing   chan struct{}
}

func (p *fakeProducer) Input() chan<- *sarama.ProducerMessage     { return p.input }
func (p *fakeProducer) Successes() <-chan *sarama.ProducerMessage { return p.successes }
func (p *fakeProducer) Errors() <-chan *sarama.ProducerError      { return p.errors }
func (p *fakeProducer) AsyncClose()                               { close(p.closing) }

func (p *fakeProducer) run() {
	defer close(p.successes)
	defer close(p.errors)
	var waiting []*sarama.ProducerMessage
	for {
		if p.kafka.up.Load() {
			for _, m := range waiting {
				value, _ := m.Value.Encode() //nolint:errcheck // it returns none
				p.kafka.stored = append(p.kafka.stored, storedRecord{m.Partition, bytes.Clone(value), time.Now()})
				p.successes <- m
			}
			waiting = nil
		}
		input := p.input
		if len(waiting) >= p.kafka.room {
			input = nil
		}
		select {
		case m := <-input:
			waiting = append(waiting, m)
		case <-time.After(time.Second): // a retry
		case <-p.closing:
			for _, m := range waiting {
				p.errors <- &sarama.ProducerError{Msg: m, Err: sarama.ErrClosedClient}
			}
			return
		}
	}
}

// fakeClient is a client without brokers.
type fakeClient struct{ sarama.Client }

func (fakeClient) Close() error { return nil }

func (k *fakeKafka) connect(ctx context.Context) (connected, error) {
	p := &fakeProducer{
		kafka: k, input: make(chan *sarama.ProducerMessage), closing: make(chan struct{}),
		successes: make(chan *sarama.ProducerMessage), errors: make(chan *sarama.ProducerError),
	}
	go p.run()
	k.opened++
	c := connected{connection: &connection{client: fakeClient{}}, producer: p, maxValue: 1 << 20}
	c.ctx, c.end = context.WithCancelCause(ctx)
	return c, nil
}

// deliveryTo makes a delivery to a fake Kafka.
func deliveryTo(t *testing.T, k *fakeKafka, cfg Config, log io.Writer) *delivery {
	t.Helper()
	first, err := k.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := testSealer(t, cfg, log)
	return newDelivery(t.Context(), first, func(context.Context) (connected, error) { return k.connect(t.Context()) }, s, s.metrics.status, slog.New(slog.NewTextHandler(log, nil)))
}

// check opens what Kafka holds: the messages must be there once, in order, without a sign that any is missing, and none may
// have arrived after its data key expired.
func (k *fakeKafka) check(t *testing.T, name string, opener *envelope.Opener, count int) {
	t.Helper()
	tracker := replay.NewTracker(replay.Config{})
	next := map[int32]int{0: 0, 1: 1}
	for offset, r := range k.stored {
		msg, err := opener.Open(nil, "my-topic", r.value)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("message %d", next[r.partition]); string(msg.Plaintext) != want {
			t.Errorf("%s: partition %d holds %q, want %q", name, r.partition, msg.Plaintext, want)
		}
		next[r.partition] += 2
		if !msg.Expires.IsZero() && !r.at.Before(msg.Expires) {
			t.Errorf("%s: %q arrives %s after its data key expired", name, msg.Plaintext, r.at.Sub(msg.Expires))
		}
		if flags, err := tracker.Follow(&msg, replay.Position{Partition: r.partition, Offset: int64(offset), AppendedAfter: r.at}); err != nil || flags != (replay.Flags{}) {
			t.Errorf("%s: %q is flagged: %+v, %v", name, msg.Plaintext, flags, err)
		}
	}
	if len(k.stored) != count {
		t.Errorf("%s: Kafka holds %d messages, want %d", name, len(k.stored), count)
	}
}

// Without this a record could be sent after its data key expired, in the second before the expiry is noticed: when a laptop
// wakes up, its records are hours old.
func TestNothingIsWrittenAfterAnExpiry(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		client, broker := net.Pipe()
		go io.Copy(io.Discard, broker) //nolint:errcheck // it ends with the connection
		var inFlight inFlightList
		c := new(connection)
		c.ctx, c.end = context.WithCancelCause(t.Context())
		conn := c.guard(client, &inFlight)
		write := func() error {
			_, err := conn.Write([]byte("request"))
			return err
		}
		sealedFor := func(lifetime time.Duration) record {
			sealer, err := envelope.NewSealer(envelope.SealerConfig{
				Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key.PublicKey},
				Limits: envelope.Limits{Age: lifetime - envelope.Hold},
			})
			if err != nil {
				t.Fatal(err)
			}
			batch := new(sentBatch)
			r := record{sent: batch.add(new(record), false)}
			if _, r.sent.sealed, err = sealer.SealDated(nil, []byte("hello"), 0, false); err != nil {
				t.Fatal(err)
			}
			inFlight.add(batch)
			return r
		}
		late, early := sealedFor(2*time.Hour), sealedFor(time.Hour) // the second data key was made after the clock was set back
		inFlight.sealed([]record{late, early})
		time.Sleep(time.Hour - time.Nanosecond)
		if err := write(); err != nil {
			t.Errorf("before the expiry: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := write(); !errors.Is(err, errExpired) {
			t.Errorf("at the expiry: %v", err)
		}
		inFlight.remove(early.sent)
		if err := write(); err != nil {
			t.Errorf("with a record that has not expired: %v", err)
		}
		time.Sleep(24 * time.Hour)
		if err := write(); !errors.Is(err, errExpired) {
			t.Errorf("a day later: %v", err)
		}
		inFlight.remove(late.sent)
		if err := write(); err != nil {
			t.Errorf("with no record: %v", err)
		}
		c.end(errExpired)
		synctest.Wait()
		if err := write(); err == nil {
			t.Error("the connection outlives its client")
		}
		closing := conn.Close()
		if closing != nil {
			t.Error(closing)
		}
	})
}

// Without this records that waited for Kafka for hours would be rejected by readers who want fresh ones: stored, and lost
// all the same. Or they would be sealed again without need, and be there twice.
func TestExpiredRecordsAreSealedAgain(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signing := filepath.Join(t.TempDir(), "signing.pem")
	if err := os.WriteFile(signing, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	opening := envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "producer", Key: public}}}
	for _, format := range []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE, envelope.FormatRSA} {
		for name, test := range map[string]struct {
			outage time.Duration
			room   int
			again  bool
		}{
			"shorter than a data key lives": {74 * time.Minute, 100, false},
			"longer":                        {76 * time.Minute, 100, true},
			"much longer":                   {50 * time.Hour, 100, true},
			"shorter, blocking":             {74 * time.Minute, 3, false},
			"longer, blocking":              {76 * time.Minute, 3, true},
			"much longer, blocking":         {50 * time.Hour, 3, true},
		} {
			settings := map[string]string{"PUBKEY": pemOf(t, &key.PublicKey), "FORMAT": string(format)}
			if format != envelope.FormatRSA {
				settings["SIGNING_KEY_FILE"] = signing
			}
			cfg, err := Load(from(settings))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				log := new(strings.Builder)
				kafka := &fakeKafka{room: test.room}
				kafka.up.Store(true)
				d := deliveryTo(t, kafka, cfg, log)
				send := func(numbers ...int) {
					batch := make([]record, len(numbers))
					for i, n := range numbers {
						r := &batch[i]
						*r = record{text: fmt.Appendf(nil, "message %d", n), key: []byte("key"), partition: int32(n % 2)}
						if format == envelope.FormatRSA {
							if r.value, _, err = d.sealer.seal(nil, r); err != nil {
								t.Fatal(err)
							}
						}
					}
					d.send(t.Context(), batch)
					for _, r := range batch {
						clear(r.text) // the next lines are read into the same memory
					}
				}
				send(0)
				time.Sleep(time.Second)
				kafka.up.Store(false)
				time.AfterFunc(test.outage, func() { kafka.up.Store(true) })
				send(1)
				send(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13) // heavy enough for a buffer that they share
				send(14)
				time.Sleep(70 * time.Minute) // the next data key is in use
				send(15)
				again := test.again && format != envelope.FormatRSA
				if sum := d.finish(t.Context()); sum != (Summary{Sent: 16, Acknowledged: 16}) {
					t.Errorf("%s, %s: %+v", format, name, sum)
				}
				if renewed := kafka.opened > 1; renewed != again || renewed != strings.Contains(log.String(), "sealing them again under a new data key") {
					t.Errorf("%s, %s: %d connections, the log: %s", format, name, kafka.opened, log)
				}
				if gauge(t, d.metrics, "e2ee_producer_queue_records", "") != 0 || d.status.inFlight.oldest() != 0 {
					t.Errorf("%s, %s: something seems to wait", format, name)
				}
				opener := envelope.NewOpener(opening)
				if err := opener.SetKeys(key); err != nil {
					t.Fatal(err)
				}
				kafka.check(t, fmt.Sprintf("%s, %s", format, name), opener, 16)
			})
		}
	}
}

// Without this a removed reader would get the messages that waited for Kafka, if these are sealed again while the file that
// removes the reader cannot be used, or they would be lost.
func TestExpiredRecordsWaitForKeys(t *testing.T) {
	kept, revoked := rsaPEM(t, 2048), rsaPEM(t, 2048)
	file := filepath.Join(t.TempDir(), "public.pem")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(kept + revoked)
	cfg, err := Load(from(map[string]string{"PUBKEY_FILE": file, "FORMAT": "envelope"}))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		kafka := &fakeKafka{room: 100}
		d := deliveryTo(t, kafka, cfg, io.Discard)
		for n := range 5 {
			d.send(t.Context(), []record{{text: fmt.Append(nil, n)}})
		}
		put("a typo")
		d.sealer.reloadKeys(t.Context())
		time.Sleep(2 * time.Hour)
		kafka.up.Store(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if kafka.opened != 2 || len(kafka.stored) > 0 {
			t.Errorf("%d records after %d connections, although no key is usable", len(kafka.stored), kafka.opened)
		}
		put(kept)
		d.sealer.reloadKeys(t.Context())
		if sum := d.finish(t.Context()); sum != (Summary{Sent: 5, Acknowledged: 5}) {
			t.Errorf("%+v", sum)
		}
		for _, r := range kafka.stored {
			value, err := envelope.AddHeader(r.value, kafka.stored[0].value)
			if err != nil {
				t.Fatal(err)
			}
			if record, err := envelope.Describe(value); err != nil || len(record.Needs) != 1 {
				t.Errorf("sealed for %v, %v", record.Needs, err)
			}
		}
	})
}
