package story_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
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
	text, err := os.ReadFile(k.Signing)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := envelope.ParseSigningKey(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&k.Private.PublicKey}, SigningKey: signing,
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
		if len(r.Flags) > 0 && !slices.Equal(r.Flags, []string{"unfollowed"}) { // as the first ones are
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

// Without this a strict pod that starts while several producers write would push their waiting records off the page, since
// anybody could write such, and report as missing what is all there.
func TestStrictConsumerOfLeanRecords(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]int64{"all is history": 1199, "many are new": 1040} {
		t.Run(name, func(t *testing.T) { strictConsumerOfLeanRecords(t, start) })
	}
}

func strictConsumerOfLeanRecords(t *testing.T, start int64) {
	t.Helper()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	var broken atomic.Bool
	broken.Store(true)
	countSearches(c, &broken)
	var producers []func(from, to int) [][]byte
	for range 8 {
		producers = append(producers, leanSealer(t, k, 64))
	}
	n := 0
	write := func(count int) {
		for range count / 8 {
			var values [][]byte
			for range 8 {
				values = append(values, producers[n%8](n, n+1)...)
				n++
			}
			harness.Write(t, c, 0, values...)
		}
	}
	write(1200)
	harness.Commit(t, c, "", map[int32]int64{0: start}) // the headers are at 1024 to 1031
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=480", "TRUSTED_SENDERS_FILE="+k.Trusted, "REQUIRE_SENDER=verified")
	p.Wait("all new records wait for their headers", func() bool { return p.Count("needs_header") == n-int(start) })
	broken.Store(false)
	shown := func() bool { return slices.Equal(harness.Values(p.Records()), numbers(n-480, n)) }
	p.Wait("all is decrypted", shown)
	p.Wait("the history is loaded", func() bool { return p.Get(p.Metrics+"/readyz") != nil && !p.Misses("history", "") })
	noFlags(t, p.Records())
	write(80)
	p.Wait("all is decrypted", shown)
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
	if n := p.HeadersMissing(); n < 59 || n > 63 { // those that came right before it, too, unless it came with them
		t.Errorf("%d are counted after the header came, want 59 to 63", n)
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
	p.Wait("they are read", func() bool { return p.RecordsRead() >= read+100 })
	p.Wait("the page says that nobody knows their headers", gaveUp)
	if n := searches.Load(); n != first {
		t.Errorf("%d requests for old records after all were read, for names that no record has", n-first)
	}
	seal := leanSealer(t, k, 64)
	harness.Write(t, c, 0, seal(0, 3)...)
	p.WaitStates(map[string]int{"needs_header": 97, "decrypted": 3})
}

// Without this a broker that fails would be asked for a header again and again, as fast as records that need one come; or never
// again, and the rows would stay encrypted.
func TestFailedSearchesWait(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	const unreadable, old = 1000, 2000 // the history does not reach that far back
	var asked atomic.Int64
	var mended atomic.Bool
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if fetch, ok := request.(*kmsg.FetchRequest); ok && fetch.MaxWaitMillis <= 1 && fetch.Topics[0].Partitions[0].FetchOffset < unreadable && !mended.Load() {
			asked.Add(1)
			return nil, errors.New("the connection breaks"), true
		}
		return nil, nil, false
	})
	seal := leanSealer(t, k, 1000)
	harness.Write(t, c, 0, seal(0, 1)...)
	var between []*sarama.ProducerMessage
	for range old {
		between = append(between, &sarama.ProducerMessage{Topic: harness.Topic, Value: sarama.StringEncoder("in between")})
	}
	harness.Send(t, c, between)
	harness.Commit(t, c, "", map[int32]int64{0: old + 1})
	start := time.Now()
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "WEB_HISTORY=100")
	harness.Write(t, c, 0, seal(1, 2)...)
	p.Wait("the second search has failed", func() bool { return asked.Load() == 2 })
	n := 2
	for second := time.Now(); time.Since(second) < 4*time.Second; n++ {
		harness.Write(t, c, 0, seal(n, n+1)...)
		p.Wait("a new record is shown at once", func() bool { return p.Count("needs_header") == min(n, 100) })
	}
	if got, most := asked.Load(), 1+int64(time.Since(start)/(10*time.Second)); got > most {
		t.Errorf("%d requests in %s, want at most %d", got, time.Since(start).Round(time.Second), most)
	}
	if !strings.Contains(p.Log.String(), "headers not looked for yet") {
		t.Errorf("the log does not mention it:\n%s", p.Log)
	}
	mended.Store(true)
	p.Wait("all are decrypted", func() bool { return p.Count("decrypted") == min(n-1, 100) })
}
