package consumer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// strict makes a pipeline with requirements.
func strict(t *testing.T, config envelope.OpenerConfig, keys ...*rsa.PrivateKey) *pipeline {
	t.Helper()
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t)
	p.decryptor = newDecryptor(config, "t", p.decryptor.limiter, p.decryptor.seconds)
	if len(keys) > 0 {
		useKeys(t, p, keys...)
	}
	return p
}

// forReaders makes a sealer for several readers.
func forReaders(t *testing.T, signing ed25519.PrivateKey, keys ...*rsa.PrivateKey) *envelope.Sealer {
	t.Helper()
	cfg := envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", SigningKey: signing}
	for _, key := range keys {
		cfg.Readers = append(cfg.Readers, &key.PublicKey)
	}
	s, err := envelope.NewSealer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signingKeys(t *testing.T) (signing ed25519.PrivateKey, trusted []envelope.TrustedSender) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, []envelope.TrustedSender{{Name: "alice", Key: public}}
}

// written makes a message with text in everything that a writer chooses.
func written(offset int64, value []byte) *sarama.ConsumerMessage {
	header := &sarama.RecordHeader{Key: []byte("wheedle"), Value: []byte("wheedle")}
	return &sarama.ConsumerMessage{Topic: "t", Offset: offset, Key: []byte("wheedle"), Value: value, Headers: []*sarama.RecordHeader{header}}
}

// Without it an attacker's text would be on the page, in a record that the settings exclude.
func TestRejectedRecordsHoldNothing(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	alice, trusted := signingKeys(t)
	mallory, untrusted := signingKeys(t)
	formats := []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE}
	encrypted := envelope.Requirements{Formats: formats}
	signed := envelope.Requirements{VerifiedSender: true}
	closed := envelope.Requirements{HeldReaders: true}
	for name, test := range map[string]struct {
		require envelope.Requirements
		value   []byte
		want    feed.Rejection
		again   bool // other keys may change the decision
	}{
		"plain":          {encrypted, []byte("wheedle"), feed.Rejection{Reason: feed.RejectPlain}, false},
		"format":         {encrypted, seal(t, newSealer(t, key, envelope.FormatRSA), "wheedle", 0), feed.Rejection{Reason: feed.RejectFormat}, false},
		"rsa":            {signed, seal(t, newSealer(t, key, envelope.FormatRSA), "wheedle", 0), feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}, false},
		"unsigned":       {signed, seal(t, newSealer(t, key, envelope.FormatEnvelope), "wheedle", 0), feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}, false},
		"unknown signer": {signed, seal(t, forReaders(t, mallory, key), "wheedle", 0), feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnknown, KeyIDs: []string{envelope.SigningKeyID(untrusted[0].Key)}}, false},
		"added reader":   {closed, seal(t, forReaders(t, alice, key, stranger), "wheedle", 0), feed.Rejection{Reason: feed.RejectReader, KeyIDs: []string{envelope.KeyID(&stranger.PublicKey)}}, true},
	} {
		p := strict(t, envelope.OpenerConfig{TrustedSenders: trusted, Require: test.require}, key)
		var b batchBuffers
		p.process(&b, []*sarama.ConsumerMessage{written(0, test.value), {Topic: "t", Offset: 1}})
		r := p.feed.Records()[0]
		if r.State != feed.StateRejected || fmt.Sprint(r.Rejection) != fmt.Sprint(test.want) {
			t.Errorf("%s: %s, %+v, want %+v", name, r.State, r.Rejection, test.want)
		}
		if r.Key != nil || r.Stored != nil || r.Value != nil || r.Headers != nil || (r.Withheld != nil) != test.again {
			t.Errorf("%s: the record holds %+v", name, r)
		}
		if r.Withheld != nil && !bytes.Equal(r.Withheld.Stored, test.value) {
			t.Errorf("%s: it cannot be judged again", name)
		}
		if state := p.feed.Records()[1].State; state != feed.StateTombstone {
			t.Errorf("%s: a record without a value is %s", name, state)
		}
		for _, reason := range feed.RejectReasons() {
			if got := testutil.ToFloat64(p.metrics.rejected.WithLabelValues(string(reason))); (got == 1) != (reason == test.want.Reason) {
				t.Errorf("%s: %s counts %v", name, reason, got)
			}
		}
		if got := testutil.ToFloat64(p.metrics.records.WithLabelValues("t", "rejected")); got != 1 {
			t.Errorf("%s: %v records are counted as rejected", name, got)
		}
	}
}

// Without it a rotation with two public keys would hide records for ever, or show them with missing keys and headers, or
// with false flags.
func TestNewKeyAcceptsRejectedReaders(t *testing.T) {
	old, next := newKey(t), newKey(t)
	p := strict(t, envelope.OpenerConfig{Require: envelope.Requirements{HeldReaders: true}}, old)
	asked := 0
	p.onUnknownKey = func() { asked++ }
	s := forReaders(t, nil, old, next)
	var b batchBuffers
	p.process(&b, []*sarama.ConsumerMessage{written(0, seal(t, s, "one", 0)), written(1, seal(t, s, "two", 0))})
	if r := p.feed.Records()[1]; r.State != feed.StateRejected || asked != 1 {
		t.Fatalf("%s, the keys were requested %d times", r.State, asked)
	}
	useKeys(t, p, old, next)
	p.process(&b, []*sarama.ConsumerMessage{written(2, seal(t, s, "three", 0))})
	for i, r := range p.feed.Records() {
		if r.State != feed.StateDecrypted || string(r.Key) != "wheedle" || len(r.Headers) != 1 || r.Withheld != nil || r.Rejection.Reason != "" || r.Flags != (feed.Flags{}) {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	if got := testutil.ToFloat64(p.metrics.rejected.WithLabelValues("reader")); got != 2 {
		t.Errorf("%v rejections are counted", got)
	}
}

// Without it the records of a rotation would be rejected once the process has been released more keys than it keeps.
func TestDroppedKeysCountAsHeld(t *testing.T) {
	old, next := newKey(t), newKey(t)
	p := strict(t, envelope.OpenerConfig{Require: envelope.Requirements{HeldReaders: true}}, old)
	useKeys(t, p, next)
	useKeys(t, p, next, newKey(t))
	var b batchBuffers
	p.process(&b, messages(0, seal(t, forReaders(t, nil, old, next), "one", 0)))
	if r := p.feed.Records()[0]; r.State != feed.StateDecrypted {
		t.Errorf("it is %s, %+v", r.State, r.Rejection)
	}
}

// Without it a record that arrives before the key would escape the requirements, or would not be counted.
func TestLateKeyRejects(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	p := strict(t, envelope.OpenerConfig{Require: envelope.Requirements{HeldReaders: true}})
	var b batchBuffers
	p.process(&b, []*sarama.ConsumerMessage{written(0, seal(t, forReaders(t, nil, key, stranger), "wheedle", 0))})
	if state := p.feed.Records()[0].State; state != feed.StateNoKey {
		t.Fatalf("without a key: %s", state)
	}
	for range 2 {
		useKeys(t, p, key)
		if r := p.feed.Records()[0]; r.State != feed.StateRejected || r.Key != nil || r.Stored != nil || r.Value != nil {
			t.Errorf("with the key: %+v", r)
		}
	}
	if got := testutil.ToFloat64(p.metrics.rejected.WithLabelValues("reader")); got != 1 {
		t.Errorf("%v rejections are counted", got)
	}
}

// Without it a viewer would not learn that somebody else can read a message, or would be told so of this program's own
// key.
func TestOtherReadersAreTold(t *testing.T) {
	old, next, stranger := newKey(t), newKey(t), newKey(t)
	p := strict(t, envelope.OpenerConfig{}, old)
	var b batchBuffers
	p.process(&b, messages(0, seal(t, forReaders(t, nil, old, next, stranger), "a", 0), seal(t, forReaders(t, nil, old), "b", 0)))
	nextID, strangerID := envelope.KeyID(&next.PublicKey), envelope.KeyID(&stranger.PublicKey)
	if got := p.feed.Records(); !slices.Equal(got[0].OtherReaders, []string{nextID, strangerID}) || got[1].OtherReaders != nil {
		t.Errorf("the other readers are %v and %v", got[0].OtherReaders, got[1].OtherReaders)
	}
	useKeys(t, p, old, next)
	if got := p.feed.Records()[0].OtherReaders; !slices.Equal(got, []string{strangerID}) {
		t.Errorf("with the second key the other readers are %v", got)
	}
	if got := testutil.ToFloat64(p.metrics.flags.WithLabelValues("readers")); got != 1 {
		t.Errorf("%v records are counted", got)
	}
	allowed := strict(t, envelope.OpenerConfig{Require: envelope.Requirements{HeldReaders: true, ReaderIDs: []string{strangerID}}}, old)
	one := messages(0, seal(t, forReaders(t, nil, old, stranger), "a", 1))
	one[0].Partition = 1
	allowed.process(&b, one)
	if r := allowed.feed.Records()[0]; r.State != feed.StateDecrypted || r.OtherReaders != nil {
		t.Errorf("an allowed reader: %s, %v", r.State, r.OtherReaders)
	}
}

// Without it rejected records at the end of a topic would hide all earlier ones after a restart.
func TestHistoryPassesRejectedRecords(t *testing.T) {
	p := strict(t, envelope.OpenerConfig{Require: envelope.Requirements{Formats: []envelope.Format{envelope.FormatEnvelope}}})
	p.feed = feed.New(10)
	p.resume(0, 50)
	junk := messages(0, slices.Repeat([][]byte{[]byte("junk")}, 50)...)
	if kept := p.backfill(t.Context(), p.sequences.topic, noTimes, newestFirst(junk)); len(kept) != len(junk) {
		t.Errorf("the history would stop after %d of %d rejected records", len(kept), len(junk))
	}
	if held, _ := p.feed.Size(); held != 1 {
		t.Errorf("%d rejected records are held", held)
	}
}
