package interop_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// README example begins.

func produce(ctx context.Context, client *kgo.Client, sealer *envelope.Sealer, topic string, partition int32, message []byte) error {
	value, err := sealer.Seal(make([]byte, 0, sealer.Size(len(message))), message, partition)
	if err != nil {
		return err // never send the message itself instead
	}
	record := &kgo.Record{Topic: topic, Partition: partition, Value: value} // the client has kgo.ManualPartitioner()
	return client.ProduceSync(ctx, record).FirstErr()
}

func consume1(ctx context.Context, client *kgo.Client, opener *envelope.Opener, tracker *replay.Tracker, show func(string)) {
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
		var flags replay.Flags
		msg, err := opener.Open(nil, r.Topic, r.Value)
		if err == nil {
			flags, err = tracker.Follow(&msg, replay.Position{Partition: r.Partition, Offset: r.Offset})
		}
		if err != nil { // a bad record is an event, not a reason to stop
			show(fmt.Sprintf("%d/%d: %v", r.Partition, r.Offset, err))
			return
		}
		show(fmt.Sprintf("%d/%d: %s (sender %s, flags: %s)", r.Partition, r.Offset, msg.Plaintext, msg.Sender.State, flags))
	})
}

// README example ends.

// Without this the example on the module's page might not compile or work.
func TestOtherClient(t *testing.T) {
	source, err := os.ReadFile("otherclient_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(source), "// README example begins.\n\n")
	example, _, _ = strings.Cut(example, "\n// README example ends.")
	example = strings.ReplaceAll(example, "consume1", "consume")
	page, err := os.ReadFile("../../envelope/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), example) || len(strings.Split(example, "\n")) > 30 {
		t.Errorf("envelope/README.md has another example, or a longer one than 30 lines")
	}

	cluster, key := harness.Broker(t, 2), harness.NewKey(t)
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeTopics(harness.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	for range 2 {
		if err := produce(ctx, client, sealer, harness.Topic, 1, []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	opener, tracker := openerWith(t, key), replay.NewTracker(replay.Config{})
	var shown []string
	for len(shown) < 2 {
		consume1(ctx, client, opener, tracker, func(line string) { shown = append(shown, line) })
	}
	if want := "1/0: hello (sender unverified, flags: none)\n1/1: hello (sender unverified, flags: none)"; strings.Join(shown, "\n") != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}
