package measure

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/broker"
)

func attackedBroker(t *testing.T) *kfake.Cluster {
	t.Helper()
	kafka, err := broker.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return kafka
}

// Without this the documents could claim that an attack is noticed which is not, or hide one that is.
func TestAttacks(t *testing.T) {
	t.Parallel()
	kafka := attackedBroker(t)
	createTopic := func(name string) error { return kafka.CreateTopic(name, attackedPartitions, nil) }
	board, err := Attacks(t.Context(), kafka.ListenAddrs(), createTopic, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../../docs/attacks.md", "../../docs/attacks.ja.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := board.Update(text); err != nil || string(got) != string(text) {
			t.Errorf("%s is out of date (hint: make attacks): %v, observed:\n%s", file, err, board)
		}
	}
	for _, column := range board {
		for _, o := range column.Observed {
			checkRead(t, column.Name, o)
			checkWithheld(t, column.Name, o)
		}
	}
	for _, o := range board[len(board)-1].Observed { // a page of a strict pod must never show such a record as if nothing had happened
		if o.Outcome == attacks.NotNoticed {
			t.Errorf("strict policy: %s is not noticed: %s", o.Attack, o.Detail)
		}
	}
}

// checkRead checks that a secret that is out counts as one, whatever the pod made of it, and only that.
func checkRead(t *testing.T, defence string, o attacks.Observation) {
	t.Helper()
	want := 0
	if o.Attack == "reader" {
		want = max(1, len(o.Records))
	}
	if len(o.Read) != want {
		t.Errorf("%s, %s: the operator has read %d records, want %d", defence, o.Attack, len(o.Read), want)
	}
	for _, r := range o.Read {
		if !slices.Contains(o.Records, r.Position) || !strings.HasSuffix(string(r.Start), "Azure Confidential Computing") {
			t.Errorf("%s, %s: the operator has read %q at %v, want a message of the producer", defence, o.Attack, r.Start, r.Position)
		}
	}
}

// checkWithheld checks that an attack says which record nobody reads, and that the pod flags the one after it, if any.
func checkWithheld(t *testing.T, defence string, o attacks.Observation) {
	t.Helper()
	if o.Attack != "drop" {
		if len(o.Withheld) > 0 {
			t.Errorf("%s, %s: %v is withheld", defence, o.Attack, o.Withheld)
		}
		return
	}
	if len(o.Withheld) != 1 || slices.Contains(o.Records, o.Withheld[0].Position) || !slices.Contains(o.Records, o.Withheld[0].Next) {
		t.Fatalf("%s: %v is withheld, and %v are written", defence, o.Withheld, o.Records)
	}
	if noticed := slices.Equal(o.Noticed, []attacks.Position{o.Withheld[0].Next}); noticed != (o.Outcome == attacks.Flagged) {
		t.Errorf("%s: %s by %v, after %v", defence, o.Outcome, o.Noticed, o.Withheld)
	}
}

func startAttacked(t *testing.T, kafka *kfake.Cluster, d defence, partitions int32) *victim {
	t.Helper()
	if err := kafka.CreateTopic(d.topic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	v, err := newVictim(t.Context(), kafka.ListenAddrs(), d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := attacks.Ready(t.Context(), v.target); err != nil {
		t.Fatal(err)
	}
	return v
}

// Without this SECURITY.md could be wrong about a format that counts records and does not sign them: whoever replaces the
// producer's key, and runs Kafka, reads everything, and the page shows the records as any others.
func TestReplacedKeyIsNotNoticed(t *testing.T) {
	t.Parallel()
	v := startAttacked(t, attackedBroker(t), defence{name: "jwe", topic: "jwe", format: envelope.FormatJWE}, 1)
	for _, name := range []string{"reader", "forge"} {
		a, _ := attacks.Find(name)
		if o, err := a.Run(t.Context(), v.target); err != nil || o.Outcome != attacks.NotNoticed || len(o.Records) == 0 {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

// Without this the scoreboard would praise rsa for refusing a replay, only because the vault had a new key that the pod had
// not asked for yet.
func TestAttackDuringRotation(t *testing.T) {
	t.Parallel()
	v := startAttacked(t, attackedBroker(t), defence{name: "rotated", topic: "rotated", format: envelope.FormatRSA}, 1)
	if err := errors.Join(v.env.Prepare(1), v.env.Sidecar.Stop(), v.env.Rotate()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"forge", "replay"} { // when these begin, the producer has the old key, and then the new one
		a, _ := attacks.Find(name)
		if o, err := a.Run(t.Context(), v.target); err == nil {
			t.Errorf("%s while the pod lacks the newest key: %+v", name, o)
		}
	}
	if err := v.env.Sidecar.Start(); err != nil {
		t.Fatal(err)
	}
	if err := attacks.Ready(t.Context(), v.target); err != nil {
		t.Fatal(err)
	}
	a, _ := attacks.Find("replay")
	if o, err := a.Run(t.Context(), v.target); err != nil || o.Outcome != attacks.NotNoticed {
		t.Errorf("replay after the rotation: %+v, %v", o, err)
	}
}

// Without this an attack that is interrupted would leave the demo with a wrong public key, without new records, or with
// further topics.
func TestInterruptedAttacksLeaveNothing(t *testing.T) {
	t.Parallel()
	kafka := attackedBroker(t)
	v := startAttacked(t, kafka, defence{name: "interrupted", topic: "interrupted", format: envelope.FormatRSA}, attackedPartitions)
	before, err := os.ReadFile(v.target.PublicKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	interrupt := func(attack string, during func(ctx context.Context, cancel func())) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		during(ctx, cancel)
		a, found := attacks.Find(attack)
		if _, err := a.Run(ctx, v.target); !found || ctx.Err() == nil || err == nil {
			t.Errorf("%s was not interrupted: %v", attack, err)
		}
	}
	request := func(key kmsg.Key) func(context.Context, func()) {
		return func(_ context.Context, cancel func()) {
			kafka.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) { cancel(); return nil, nil, false })
		}
	}
	interrupt("drop", request(kmsg.DeleteRecords))
	interrupt("copy", request(kmsg.CreateTopics))
	interrupt("rewind", request(kmsg.DeleteTopics))
	interrupt("reader", func(ctx context.Context, cancel func()) {
		go func() {
			defer cancel()
			for text, err := before, error(nil); ctx.Err() == nil && err == nil && string(text) == string(before); text, err = os.ReadFile(v.target.PublicKeyFile) {
				time.Sleep(time.Millisecond)
			}
		}()
	})
	if after, err := os.ReadFile(v.target.PublicKeyFile); err != nil || string(after) != string(before) {
		t.Errorf("the public key's file has changed: %v", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	transactions, err := kmsg.NewPtrListTransactionsRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, transaction := range transactions.TransactionStates {
		if transaction.TransactionState == "Ongoing" {
			t.Errorf("the transaction %s is open", transaction.TransactionalID)
		}
	}
	topics, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics.Topics {
		if strings.HasPrefix(*topic.Topic, "copy-") {
			t.Errorf("the topic %s is left", *topic.Topic)
		}
	}
	if err := attacks.Ready(t.Context(), v.target); err != nil {
		t.Errorf("the demo does not go on: %v", err)
	}
}
