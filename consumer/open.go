package consumer

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

// opening turns Kafka's records into what the page shows.
type opening struct {
	*envelope.Opener
	took prometheus.Histogram
}

// opened is a record and, where it was opened, what its format says of it.
type opened struct {
	record *web.Record
	msg    envelope.Message
}

// all opens a batch on every core and keeps its order.
func (o *opening) all(batch []*sarama.ConsumerMessage) []opened {
	out := make([]opened, len(batch))
	onAllCores(len(batch), func(i int) { out[i] = o.one(batch[i]) })
	return out
}

// onAllCores does work for 0 to n-1. Each core takes the next as soon as it is
// free: a private-key operation costs a thousand times what handing one out
// does, so the cores finish together.
func onAllCores(n int, work func(i int)) {
	var next atomic.Int64
	each := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			work(int(i))
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		others.Go(each)
	}
	each()
	others.Wait()
}

// one copies what it keeps: a message's bytes are a window into the whole fetch
// response, which the history would otherwise hold in memory.
func (o *opening) one(m *sarama.ConsumerMessage) opened {
	r := &web.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp,
		Key: slices.Clone(m.Key), Wire: slices.Clone(m.Value),
	}
	return opened{r, o.judge(r)}
}

// again judges a record anew, with the keys held now. The record is another
// one: those in the feed are never written to.
func (o *opening) again(r *web.Record) opened {
	next := *r
	return opened{&next, o.judge(&next)}
}

// judge opens a record and says what is true of it, all but its flags: for them
// the records before it must have been followed.
func (o *opening) judge(r *web.Record) envelope.Message {
	start := time.Now()
	msg, err := o.Open(nil, r.Topic, r.Wire)
	r.Format, r.KeyID, r.Needs, r.Holds = string(msg.Format), msg.KeyID, msg.Needs, nil
	r.Sender = web.Sender{State: web.SenderUnchecked}
	switch {
	case err == nil:
		r.State, r.Value = web.StateDecrypted, msg.Plaintext
		r.Sender, r.DataKey, r.Counter = senderOf(msg.Sender), msg.DataKey, msg.Counter
		o.took.Observe(time.Since(start).Seconds())
	case errors.Is(err, envelope.ErrNotEncrypted):
		r.State = web.StatePlain
	case errors.Is(err, envelope.ErrMalformed):
		r.State = web.StateMalformed
	case errors.Is(err, envelope.ErrNoKey):
		r.State = web.StateNoKey
	case errors.Is(err, envelope.ErrUnknownKey):
		r.State, r.Holds = web.StateUnknownKey, o.KeyIDs()
	default:
		r.State, r.Holds = web.StateUndecryptable, o.KeyIDs()
		o.took.Observe(time.Since(start).Seconds())
	}
	return msg
}

// senderOf puts what the format says of the sender into the page's terms.
func senderOf(s envelope.Sender) web.Sender {
	who := web.Sender{State: web.SenderUnchecked, Name: s.Name, KeyID: s.KeyID}
	switch s.State {
	case envelope.SenderVerified:
		who.State = web.SenderVerified
	case envelope.SenderUntrusted:
		who.State = web.SenderUntrusted
	case envelope.SenderUnverified:
		who.State = web.SenderUnverified
	case envelope.SenderUnchecked:
	}
	switch s.Reason {
	case envelope.ReasonUnsigned:
		who.Reason = web.SenderUnsigned
	case envelope.ReasonNobodyTrusted:
		who.Reason = web.SenderNobodyTrusted
	case envelope.ReasonUnknownSigner:
		who.Reason = web.SenderUnknown
	case envelope.ReasonBadSignature:
		who.Reason = web.SenderBadSignature
	}
	return who
}

// flagsOf is the same for what following the record's counter told.
func flagsOf(f envelope.Flags) web.Flags {
	return web.Flags{
		Repeat: f.Repeat, First: f.First, Missing: f.Missing, Late: f.Late,
		Moved: f.Moved, SealedFor: f.SealedFor, Unbound: f.Unbound,
	}
}
