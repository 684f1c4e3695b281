package story_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// leanSealer seals with a header in one of every records.
func leanSealer(t *testing.T, k harness.Keys, every int) func(from, to int) [][]byte {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&k.Private.PublicKey},
		Headers: envelope.HeaderPolicy{Records: every, Interval: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(from, to int) [][]byte {
		var values [][]byte
		for i := from; i < to; i++ {
			value, err := s.Seal(nil, fmt.Appendf(nil, "%0200d", i), 0) // short messages get fewer headers
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return values
	}
}

// numbers are the messages of a leanSealer.
func numbers(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("%0200d", i))
	}
	return list
}

// countSearches counts the requests for old records. They do not wait, unlike the group's. They fail while broken is set.
func countSearches(c *kfake.Cluster, broken *atomic.Bool) *atomic.Int64 {
	var n atomic.Int64
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if fetch, ok := request.(*kmsg.FetchRequest); ok && fetch.MaxWaitMillis <= 1 {
			n.Add(1)
			if broken != nil && broken.Load() {
				return nil, errors.New("the connection breaks"), true
			}
		}
		return nil, nil, false
	})
	return &n
}

func noFlags(t *testing.T, records []harness.Record) {
	t.Helper()
	for _, r := range records {
		if len(r.Flags) > 0 {
			t.Errorf("offset %d is flagged %v", r.Offset, r.Flags)
		}
	}
}

// Without this a pod that starts between two headers would show records as encrypted although it has their key, would hold up
// new records while it looks for the header, or would move the group.
func TestHeaderBeforeTheHistory(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	var broken atomic.Bool
	broken.Store(true)
	countSearches(c, &broken)
	seal := leanSealer(t, k, 1000)
	harness.Write(t, c, 0, seal(0, 1)...) // the only header
	for i := range 20 {
		harness.Write(t, c, 0, seal(1+30*i, 31+30*i)...)
	}
	harness.Commit(t, c, "", map[int32]int64{0: 600})
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=50")
	p.WaitStates(map[string]int{"needs_header": 1})
	harness.Write(t, c, 0, seal(601, 603)...)
	waiting := p.WaitStates(map[string]int{"needs_header": 3})
	if !strings.Contains(waiting[0].Reason, "This pod looks for it") {
		t.Errorf("while the history cannot be read: %q", waiting[0].Reason)
	}
	broken.Store(false)
	p.Wait("the header is found, and all that is shown is decrypted", func() bool {
		return slices.Equal(harness.Values(p.Records()), numbers(553, 603))
	})
	p.Wait("the records are followed", func() bool {
		return !slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return len(r.Flags) > 0 })
	})
	p.Wait("the group's offset has not moved back", func() bool { return harness.Committed(t, c)[0] == 603 })
	harness.Write(t, c, 0, seal(603, 605)...)
	p.Wait("new records are shown", func() bool { return slices.Equal(harness.Values(p.Records()), numbers(555, 605)) })
	noFlags(t, p.Records())
}

// Without this the page would promise a record that cannot come, no alert would say so, or a record would stay encrypted although
// its header came later.
func TestHeaderIsLost(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	seal := leanSealer(t, k, 64)
	harness.Write(t, c, 0, seal(0, 60)...)
	if err := harness.Admin(t, c).DeleteRecords(harness.Topic, map[int32]int64{0: 1}); err != nil {
		t.Fatal(err)
	}
	harness.Commit(t, c, "", map[int32]int64{0: 30})
	p, _ := harness.StartConsumer(t, c, k.Sidecar)
	p.Wait("the page says that no earlier record has the header", func() bool {
		records := p.Records()
		return len(records) == 59 && !slices.ContainsFunc(records, func(r harness.Record) bool {
			return r.State != "needs_header" || !strings.Contains(r.Reason, "knows none of that name")
		})
	})
	p.Wait("the metric counts them", func() bool { return p.HeadersMissing() == 59 })
	harness.Write(t, c, 0, seal(60, 70)...) // 64 has the header
	p.Wait("all are decrypted", func() bool { return slices.Equal(harness.Values(p.Records()), numbers(1, 70)) })
	noFlags(t, p.Records())
	if n := p.HeadersMissing(); n != 59 {
		t.Errorf("%d are counted after the header came, want 59", n)
	}
}

// Without this whoever may write could make the consumer read the whole topic again and again, with made-up names of headers.
func TestMadeUpHeadersCauseNoStorm(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	searches := countSearches(c, nil)
	madeUp := func() []byte {
		return slices.Concat([]byte{0xC1, 2}, harness.RandomBytes(16, 16), make([]byte, 12), harness.RandomBytes(20, 200))
	}
	var old []*sarama.ProducerMessage
	for range 5000 {
		old = append(old, &sarama.ProducerMessage{Topic: harness.Topic, Value: sarama.ByteEncoder(madeUp())})
	}
	harness.Send(t, c, old)
	harness.Commit(t, c, "", map[int32]int64{0: 5000})
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=100")
	p.WaitStates(map[string]int{"needs_header": 100})
	gaveUp := func() bool {
		return !slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return !strings.Contains(r.Reason, "knows none of that name") })
	}
	p.Wait("the search has ended", gaveUp)
	first := searches.Load()
	if first > 30 {
		t.Errorf("the history and the search took %d requests", first)
	}
	read := p.RecordsRead()
	for range 20 {
		harness.Write(t, c, 0, madeUp(), madeUp(), madeUp(), madeUp(), madeUp())
	}
	p.Wait("they are read", func() bool { return p.RecordsRead() == read+100 })
	p.Wait("the page says that nobody knows their headers", gaveUp)
	if n := searches.Load(); n != first {
		t.Errorf("%d requests for old records after all were read, for names that no record has", n-first)
	}
	seal := leanSealer(t, k, 64)
	harness.Write(t, c, 0, seal(0, 3)...)
	p.WaitStates(map[string]int{"needs_header": 97, "decrypted": 3})
}
