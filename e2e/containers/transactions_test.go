package containers_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// transactor writes in transactions.
type transactor struct {
	t      testing.TB
	client *kgo.Client
}

func newTransactor(t testing.TB, c harness.Cluster, id string) *transactor {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &transactor{t, client}
}

// write begins a transaction with values, and leaves it open.
func (w *transactor) write(values ...string) {
	w.t.Helper()
	if err := w.client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: harness.Topic, Value: []byte(v)}
	}
	if err := w.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *transactor) end(how kgo.TransactionEndTry) {
	w.t.Helper()
	if err := w.client.EndTransaction(context.Background(), how); err != nil {
		w.t.Fatal(err)
	}
}

// Without this the page would show aborted records, report a lag that does not exist, or lack records after a restart.
func TestTransactions(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { t.Parallel(); transactions(t, harness.Broker(t, 1)) })
	t.Run("Kafka", func(t *testing.T) {
		t.Parallel()
		harness.Require(t, harness.Engine, harness.KafkaImage)
		transactions(t, realkafka.Start(t, 1))
	})
}

func transactions(t *testing.T, c harness.Cluster) {
	k, w := harness.NewKeys(t), newTransactor(t, c, "writer")
	var all, committed []string
	write := func(how kgo.TransactionEndTry, values ...string) {
		w.write(values...)
		w.end(how)
		all = append(all, values...)
		if how == kgo.TryCommit {
			committed = append(committed, values...)
		}
	}
	shows := func(p *harness.Pod, want []string) func() bool {
		return func() bool { return slices.Equal(harness.Values(p.Records()), want) }
	}
	nothingLeft := func(p *harness.Pod) func() bool { return func() bool { return p.Lag() == 0 } }
	first, _ := harness.StartConsumer(t, c, k.Sidecar)
	write(kgo.TryCommit, "one", "two")
	write(kgo.TryAbort, "taken back")
	write(kgo.TryCommit, "three")
	write(kgo.TryAbort, "taken back, too", "and this")
	first.Wait("what was committed is shown", shows(first, committed))
	first.Wait("the lag is 0", nothingLeft(first))
	w.write("not yet")
	write2 := newTransactor(t, c, "another")
	write2.write("behind it")
	write2.end(kgo.TryCommit)
	time.Sleep(2 * time.Second) // give it time: none may be shown
	if !shows(first, committed)() {
		t.Errorf("records of an open transaction are shown: %q", harness.Values(first.Records()))
	}
	first.Wait("the lag is 0", nothingLeft(first))
	w.end(kgo.TryCommit)
	committed, all = append(committed, "not yet", "behind it"), append(all, "not yet", "behind it")
	write(kgo.TryAbort, "the last one")
	first.Wait("what was committed is shown", shows(first, committed))
	first.Stop()

	// A tool, or another consumer, commits the offset behind the last marker.
	end, err := sarama.NewClient(c.ListenAddrs(), sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	newest, err := end.GetOffset(harness.Topic, 0, sarama.OffsetNewest)
	if err != nil {
		t.Fatal(err)
	}
	harness.Commit(t, c, "", map[int32]int64{0: newest})
	again, _ := harness.StartConsumer(t, c, k.Sidecar)
	again.Wait("the history is there", shows(again, committed))
	again.Wait("/readyz reports no missing history", func() bool { return !again.Misses("history", "") })
	again.Stop()

	other, _ := harness.StartConsumer(t, c, k.Sidecar, "KAFKA_ISOLATION=read_uncommitted")
	other.Wait("everything is shown", shows(other, all))
	other.Stop()
}

// Without this the records of a transaction would wait for ever for a header in one that was aborted, which nobody reads: that
// is what [envelope.Sealer.RepeatHeader] is for.
func TestLeanRecordsInTransactions(t *testing.T) {
	t.Parallel()
	for _, repeat := range []bool{true, false} {
		t.Run(fmt.Sprintf("RepeatHeader %t", repeat), func(t *testing.T) {
			t.Parallel()
			c, k := harness.Broker(t, 1), harness.NewKeys(t)
			w := newTransactor(t, c, "writer")
			s, err := envelope.NewSealer(envelope.SealerConfig{
				Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&k.Private.PublicKey},
				Headers: envelope.HeaderPolicy{Records: 1000, Interval: time.Minute},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, transaction := range []struct {
				how   kgo.TransactionEndTry
				texts []string
			}{{kgo.TryAbort, []string{"taken back", "this, too"}}, {kgo.TryCommit, []string{"one", "two"}}} {
				if repeat {
					s.RepeatHeader()
				}
				var values []string
				for _, text := range transaction.texts {
					value, err := s.Seal(nil, []byte(text), 0)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, string(value))
				}
				w.write(values...)
				w.end(transaction.how)
			}
			p, _ := harness.StartConsumer(t, c, k.Sidecar)
			p.Wait("what was committed is shown", func() bool {
				records := p.Records()
				return len(records) == 2 && !slices.ContainsFunc(records, func(r harness.Record) bool {
					return repeat && r.State != "decrypted" || !repeat && (r.State != "needs_header" || !strings.Contains(r.Reason, "knows none of that name"))
				})
			})
		})
	}
}
