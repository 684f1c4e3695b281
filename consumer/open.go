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
	opener *envelope.Opener
	took   prometheus.Histogram
}

// all opens a batch on every core and keeps its order. Each core takes the next
// record as soon as it is free: a private-key operation costs a thousand times
// what handing one out does, so the cores finish together.
func (o *opening) all(batch []*sarama.ConsumerMessage) []*web.Record {
	out := make([]*web.Record, len(batch))
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(batch)); i = next.Add(1) - 1 {
			out[i] = o.one(batch[i])
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(batch)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return out
}

// one copies what it keeps: a message's bytes are a window into the whole fetch
// response, which the history would otherwise hold in memory.
func (o *opening) one(m *sarama.ConsumerMessage) *web.Record {
	r := &web.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp,
		Key: slices.Clone(m.Key), Wire: slices.Clone(m.Value),
	}
	o.judge(r)
	return r
}

// reopen judges a record again, with the keys held now. It returns nil where
// nothing changed, else a new record: those in the feed are never written to.
func (o *opening) reopen(r *web.Record) *web.Record {
	if r.State == web.StateDecrypted || r.State == web.StatePlain || r.State == web.StateMalformed {
		return nil
	}
	again := *r
	o.judge(&again)
	if again.State == r.State && slices.Equal(again.Holds, r.Holds) {
		return nil
	}
	return &again
}

func (o *opening) judge(r *web.Record) {
	start := time.Now()
	msg, err := o.opener.Open(nil, r.Topic, r.Wire)
	r.KeyID, r.Needs, r.Holds = msg.KeyID, msg.Needs, nil
	switch {
	case err == nil:
		r.State, r.Value = web.StateDecrypted, msg.Plaintext
		o.took.Observe(time.Since(start).Seconds())
	case errors.Is(err, envelope.ErrNotEncrypted):
		r.State = web.StatePlain
	case errors.Is(err, envelope.ErrMalformed):
		r.State = web.StateMalformed
	case errors.Is(err, envelope.ErrNoKey):
		r.State = web.StateNoKey
	case errors.Is(err, envelope.ErrUnknownKey):
		r.State, r.Holds = web.StateUnknownKey, o.opener.KeyIDs()
	default:
		r.State, r.Holds = web.StateUndecryptable, o.opener.KeyIDs()
		o.took.Observe(time.Since(start).Seconds())
	}
}
