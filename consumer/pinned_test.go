package consumer

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

const large = 8 << 20 // bytes of one record, more than junk may take of the feed

// heldBy returns how many bytes stay in memory after do.
func heldBy(do func()) int {
	before := memory()
	do()
	return memory() - before
}

// memory returns how many bytes are in use.
func memory() int {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	return int(now.HeapAlloc)
}

// damaged returns a record that does not open.
func damaged(value []byte) []byte {
	value = bytes.Clone(value)
	value[len(value)-1] ^= 1
	return value
}

// Without it whoever may write could end the process: each good record beside junk that the feed drops would keep the memory of
// all of it, and the feed would not count it.
func TestKeptRecordHoldsNoMemoryOfJunk(t *testing.T) {
	key := newKey(t)
	alice, trusted := signingKeys(t)
	sealer, text := forReaders(t, alice, key), string(make([]byte, large))
	unsigned := seal(t, forReaders(t, nil, key), text, 0)
	opensNever := damaged(seal(t, sealer, text, 0))
	junk := func(start ...byte) []byte { return append(start, make([]byte, large)...) }
	for state, kind := range map[feed.State]sarama.ConsumerMessage{
		feed.StateRejected:      {Value: unsigned},
		feed.StateMalformed:     {Value: junk(0xC1, 1)},
		feed.StateNeedsHeader:   {Value: junk(0xC1, 2)},
		feed.StateTombstone:     {Key: junk()},
		feed.StateUndecryptable: {Value: opensNever},
	} {
		batch := func(i int64) []*sarama.ConsumerMessage {
			m := kind
			m.Topic, m.Offset = "t", 2*i
			return append([]*sarama.ConsumerMessage{&m}, messages(2*i+1, seal(t, sealer, "good", 0))...)
		}
		for name, fill := range map[string]func(p *pipeline){
			"new records": func(p *pipeline) {
				var b batchBuffers
				for i := range int64(3) {
					p.process(&b, batch(i))
				}
			},
			"history": func(p *pipeline) {
				p.resume(0, 100)
				for i := range int64(3) {
					p.backfill(t.Context(), p.sequences.topic, noTimes, newestFirst(batch(2-i)))
				}
			},
		} {
			p := strict(t, envelope.OpenerConfig{TrustedSenders: trusted, Require: envelope.Requirements{VerifiedSender: true}}, key)
			p.feed.SenderRequired = true
			held := heldBy(func() { fill(p) })
			good := slices.DeleteFunc(p.feed.Records(), func(r *feed.Record) bool { return r.State != feed.StateDecrypted })
			if len(good) < 3 {
				t.Errorf("%s, %s: %d good records are shown", state, name, len(good))
			}
			if _, counted := p.feed.Size(); held > counted+large/2 {
				t.Errorf("%s, %s: %d bytes stay in memory, and the feed counts %d", state, name, held, counted)
			}
		}
	}
}

// Without it the same would happen when the key comes, which shows what is junk.
func TestNewKeysHoldNoMemoryOfJunk(t *testing.T) {
	key := newKey(t)
	alice, trusted := signingKeys(t)
	sealer := forReaders(t, alice, key)
	p := strict(t, envelope.OpenerConfig{TrustedSenders: trusted, Require: envelope.Requirements{VerifiedSender: true}})
	p.feed.SenderRequired = true
	junk := damaged(seal(t, sealer, string(make([]byte, large)), 0))
	held := heldBy(func() {
		var b batchBuffers
		for i := range int64(3) {
			p.process(&b, messages(2*i, junk, seal(t, sealer, "good", 0)))
		}
		if n, counted := p.feed.Size(); n != 6 || counted < 3*large {
			t.Errorf("before the key comes, %d records of %d bytes are shown", n, counted)
		}
		useKeys(t, p, key)
	})
	if n, counted := p.feed.Size(); n != 3 || held > counted+large/2 {
		t.Errorf("%d records: %d bytes stay in memory, and the feed counts %d", n, held, counted)
	}
}

// Without it the records that the feed drops while a new key opens slow ones would stay in memory, which may be long.
func TestNewKeysHoldNoRecordsThatLeft(t *testing.T) {
	key := newKey(t)
	p, opener := newPipeline(t), envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(key); err != nil {
		t.Fatal(err)
	}
	counted, tried := 0, false
	var held int
	before := memory()
	func() {
		var b batchBuffers
		sealer, text := newSealer(t, key, envelope.FormatEnvelope), string(make([]byte, large))
		p.process(&b, messages(0, seal(t, sealer, text, 0), seal(t, sealer, text, 0)))
		p.process(&b, messages(2, seal(t, newSealer(t, key, envelope.FormatRSA), "slow", 0))) // shares no memory with them
	}()
	p.redecrypt(opener, func() bool {
		for i := range int64(4) { // as others write meanwhile
			p.feed.Append(&feed.Record{Topic: "t", Offset: 100 + i, State: feed.StatePlain, Stored: make([]byte, large)})
		}
		_, counted = p.feed.Size()
		held, tried = memory()-before, true
		return true
	})
	if !tried || held > counted+large/2 {
		t.Errorf("tried: %v; %d bytes stay in memory, and the feed counts %d", tried, held, counted)
	}
}

// Without it a record that opens would keep the room for the messages of those beside it that do not, without a required sender,
// too.
func TestMessageHoldsNoRoomOfOthers(t *testing.T) {
	key := newKey(t)
	p, sealer := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	junk := damaged(seal(t, sealer, string(make([]byte, large)), 0))
	held := heldBy(func() {
		var b batchBuffers
		for i := range int64(3) {
			p.process(&b, messages(3*i, seal(t, sealer, "good", 0), junk, seal(t, sealer, "good", 0)))
		}
	})
	if n, counted := p.feed.Size(); n != 9 || held > counted+large/2 {
		t.Errorf("%d records: %d bytes stay in memory, and the feed counts %d", n, held, counted)
	}
}

// Without it each partition to which nobody writes any more would keep its last batch, long after the feed has dropped it.
func TestQuietPartitionHoldsNoBatch(t *testing.T) {
	p := newPipeline(t)
	p.feed = feed.New(1)
	var buffers [3]batchBuffers
	held := heldBy(func() {
		for i := range buffers {
			p.process(&buffers[i], inPartition(int32(i), messages(0, make([]byte, large))))
		}
		var b batchBuffers
		p.process(&b, inPartition(3, messages(0, []byte("small"))))
	})
	if held > large/2 {
		t.Errorf("%d bytes stay in memory, and one small record is shown", held)
	}
	runtime.KeepAlive(&buffers)
}

// Without it a record that is read again would keep those beside it a second time, which the feed holds already and counts once.
func TestRecordThatComesAgainHoldsNoOthers(t *testing.T) {
	p, big := newPipeline(t), make([]byte, large)
	held := heldBy(func() {
		for partition := range int32(3) {
			var b batchBuffers
			p.process(&b, inPartition(partition, messages(0, big)))
			p.process(&b, inPartition(partition, messages(100, []byte("later"))))
			p.process(&b, inPartition(partition, messages(0, big, []byte("new"))))
		}
	})
	if n, counted := p.feed.Size(); n != 9 || held > counted+large/2 {
		t.Errorf("%d records: %d bytes stay in memory, and the feed counts %d", n, held, counted)
	}
	runtime.KeepAlive(big)
}
