package consumer

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/consumer/group"
	"kafka-e2ee/consumer/query"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// searched is a pipeline that reads old records from a broker.
type searched struct {
	*testing.T
	*pipeline
	history *history
	broker  *sarama.MockBroker
	leader  *sarama.Broker
}

// newSearched makes a broker that holds values in partition 0.
func newSearched(t *testing.T, p *pipeline, values [][]byte) *searched {
	t.Helper()
	fetch := sarama.NewMockFetchResponse(t, 500).SetHighWaterMark("t", 0, int64(len(values)))
	for offset, value := range values {
		fetch.SetMessage("t", 0, int64(offset), sarama.ByteEncoder(value))
	}
	broker := sarama.NewMockBroker(t, 1)
	t.Cleanup(broker.Close)
	broker.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(broker.Addr(), 1).SetLeader("t", 0, 1),
		"OffsetRequest":   sarama.NewMockOffsetResponse(t).SetOffset("t", 0, sarama.OffsetOldest, 0),
		"FetchRequest":    fetch,
	})
	conf := sarama.NewConfig()
	conf.Version, conf.ApiVersionsRequest = sarama.V2_1_0_0, false
	client, err := query.NewClient([]string{broker.Addr()}, "t", conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Client.Close() })
	leader, err := client.Leader("t", 0)
	if err != nil {
		t.Fatal(err)
	}
	return &searched{t, p, newHistory(p, client, group.TopicID{}, 1, noTimes), broker, leader}
}

// resumeAt starts a session that reads from an offset. The history before it is loaded.
func (s *searched) resumeAt(offset int64) {
	s.resume(0, offset)
	s.sequences.get(0).complete = true
}

func (s *searched) add(offset int64, value []byte) {
	s.process(new(batchBuffers), messages(offset, value))
}

// search searches as searchHeaders does, and reports whether it was due. The time between two searches has passed.
func (s *searched) search(ctx context.Context) (due bool) {
	one := &headerSearch{history: s.history, sequence: s.sequences.get(0), limits: &searchLimits{fetches: 1024, records: 1 << 18, bytes: 256 << 20}}
	one.sequence.waiting.again = time.Time{}
	if !one.isDue(ctx) {
		return false
	}
	err := one.run(ctx, s.leader)
	if err != nil && ctx.Err() == nil {
		s.Error(err)
	}
	one.end(ctx, err)
	return true
}

func (s *searched) row(offset int64) *feed.Record {
	records := s.feed.Records()
	return records[slices.IndexFunc(records, func(r *feed.Record) bool { return r.Offset == offset })]
}

func (s *searched) fetches() (n int) {
	for _, one := range s.broker.History() {
		if _, ok := one.Request.(*sarama.FetchRequest); ok {
			n++
		}
	}
	return n
}

// inBetween returns n records of which none has a header.
func inBetween(n int) [][]byte { return slices.Repeat([][]byte{[]byte("in between")}, n) }

func sealerFor(t *testing.T, key *rsa.PrivateKey, topic string) *envelope.Sealer {
	t.Helper()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: topic, Readers: []*rsa.PublicKey{&key.PublicKey}, Headers: envelope.HeaderPolicy{Records: 1000, Interval: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Without it whoever may write could have the same records read every ten seconds, for ever: with many headers in one place of
// the partition, and now and then a record that names one of them.
func TestSearchReadsNothingAgain(t *testing.T) {
	key := newKey(t)
	p := newPipeline(t)
	useKeys(t, p, key)
	honest := sealedTexts(t, sealerFor(t, key, "t"), 2)
	s := newSearched(t, p, slices.Concat(inBetween(300), honest[:1], inBetween(800)))
	s.resumeAt(1101)
	s.add(1101, honest[1])
	if due := s.search(t.Context()); !due || s.row(1101).State != feed.StateDecrypted {
		t.Errorf("searched %v, and it is %s", due, s.row(1101).State)
	}
	if sought := s.sequences.get(0).waiting.sought; sought > 300 {
		t.Errorf("the next search would begin at %d, and read 300 to %d again", sought, sought-1)
	}
	before := s.fetches()
	s.add(1102, append([]byte{0xC1, 2}, make([]byte, 60)...))
	if due, n := s.search(t.Context()), s.fetches()-before; !due || !s.row(1102).HeaderMissing || n > 2 {
		t.Errorf("searched %v, with %d requests for what is left", due, n)
	}
}

// Without it a record copied from another topic would end all searches of its partition: honest records would stay encrypted, and
// the page would say that nobody knows their header.
func TestForeignHeaderEndsNoSearch(t *testing.T) {
	key := newKey(t)
	p := newPipeline(t)
	useKeys(t, p, key)
	honest, foreign := sealedTexts(t, sealerFor(t, key, "t"), 2), sealedTexts(t, sealerFor(t, key, "elsewhere"), 2)
	s := newSearched(t, p, slices.Concat(honest[:1], inBetween(1000), foreign[:1]))
	s.resumeAt(1002)
	s.add(1002, foreign[1])
	if !s.search(t.Context()) || !s.row(1002).HeaderMissing {
		t.Errorf("the foreign record is %+v", s.row(1002))
	}
	s.add(1003, honest[1])
	if r := s.row(1003); r.State != feed.StateNeedsHeader || r.HeaderMissing {
		t.Errorf("before the search: %s, missing %v", r.State, r.HeaderMissing)
	}
	if due := s.search(t.Context()); !due || s.row(1003).State != feed.StateDecrypted {
		t.Errorf("searched %v, and it is %s", due, s.row(1003).State)
	}
	before := s.fetches()
	s.add(1004, append([]byte{0xC1, 2}, make([]byte, 60)...))
	s.search(t.Context())
	s.add(1005, append([]byte{0xC1, 2}, make([]byte, 61)...))
	if s.search(t.Context()) || s.fetches() > before+1 || !s.row(1005).HeaderMissing {
		t.Errorf("after all is read, there are %d more requests", s.fetches()-before)
	}
}

// Without it records would stay encrypted until others come that wait, too, if a rebalance ends the search for their header.
func TestSearchGoesOnAfterRebalance(t *testing.T) {
	key := newKey(t)
	for name, next := range map[string]int64{"the partition stays": 3002, "another member has read it": 3100} {
		p := newPipeline(t)
		useKeys(t, p, key)
		values := sealedTexts(t, sealerFor(t, key, "t"), 2)
		s := newSearched(t, p, slices.Concat(values[:1], inBetween(3000), values[1:], inBetween(98)))
		s.resumeAt(3001)
		s.add(3001, values[1])
		ctx, cancel := context.WithCancel(t.Context())
		before := s.fetches()
		s.broker.SetNotifier(func(int, int) { cancel() }) // before the next request is answered
		if !s.search(ctx) || s.row(3001).State != feed.StateNeedsHeader {
			t.Errorf("%s: the search was not ended: the record is %s", name, s.row(3001).State)
		}
		if n := s.fetches() - before; n > 2 {
			t.Errorf("%s: %d requests after the session has ended", name, n)
		}
		s.resumeAt(next)
		if due := s.search(t.Context()); !due || s.row(3001).State != feed.StateDecrypted {
			t.Errorf("%s: searched %v, and the record is %s", name, due, s.row(3001).State)
		}
	}
}

// Without it whoever may write could hold up the history for gigabytes with made-up names; or honest records would stay encrypted
// because the search for them ended there.
func TestMadeUpNamesDoNotHoldUpTheHistory(t *testing.T) {
	key := newKey(t)
	honest := sealedTexts(t, sealerFor(t, key, "t"), 2)
	big := slices.Repeat([][]byte{make([]byte, 20<<10)}, 3000)
	for name, between := range map[string][][]byte{"many records": inBetween(20000), "many bytes": big} {
		p := newPipeline(t)
		useKeys(t, p, key)
		s := newSearched(t, p, slices.Concat(honest[:1], between))
		end := int64(len(between) + 1)
		s.resume(0, end+20)
		loaded := messages(end, honest[1])
		for i := range 19 {
			loaded = append(loaded, messages(end+1+int64(i), fmt.Appendf([]byte{0xC1, 2}, "%060d", i))...)
		}
		s.history.findHeaders(t.Context(), s.leader, loaded)
		if n := s.fetches(); n > 16 { // without limits 40 and more
			t.Errorf("%s: the history waits for %d requests", name, n)
		}
		s.history.show(t.Context(), loaded)
		s.followAgain(t.Context(), []int32{0}, true)
		if r := s.row(end); r.State != feed.StateNeedsHeader || r.HeaderMissing {
			t.Errorf("%s: before the search: %s, missing %v", name, r.State, r.HeaderMissing)
		}
		if due := s.search(t.Context()); !due || s.row(end).State != feed.StateDecrypted {
			t.Errorf("%s: searched %v, and the record is %s", name, due, s.row(end).State)
		}
		if !s.row(end + 1).HeaderMissing {
			t.Errorf("%s: the page promises a header that nobody knows", name)
		}
	}
}

// Without it rows would stay encrypted, and the page would promise what nobody does, if their partition goes to another member
// before their header is found.
func TestHeadersOfRevokedPartitionsAreSearched(t *testing.T) {
	key := newKey(t)
	p := newPipeline(t)
	useKeys(t, p, key)
	values := sealedTexts(t, sealerFor(t, key, "t"), 2)
	s := newSearched(t, p, slices.Concat(values[:1], inBetween(500), values[1:]))
	s.resume(0, 501)
	s.add(501, values[1]) // its history is not loaded
	p.sequences.startSession(group.TopicID{}, []int32{0})
	if one := (&headerSearch{history: s.history, sequence: p.sequences.get(0)}); one.isDue(t.Context()) {
		t.Error("a search begins before the history is loaded, which may bring the header")
	}
	p.sequences.startSession(group.TopicID{}, []int32{7})
	go s.history.searchHeaders(t.Context())
	for end := time.Now().Add(time.Minute); s.row(501).State != feed.StateDecrypted; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the record is %s", s.row(501).State)
		}
	}
}
