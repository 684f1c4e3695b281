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
	took    prometheus.Histogram
	standIn standIn
	began   time.Time
}

func newOpening(opener *envelope.Opener, took prometheus.Histogram, s standIn) *opening {
	return &opening{Opener: opener, took: took, standIn: s, began: time.Now()}
}

// opened is a record and, where it was opened, what its format says of it.
type opened struct {
	record *web.Record
	msg    envelope.Message
}

// all opens a batch on every core and keeps its order. It reuses the room of
// out. The records of a batch share few large pieces of memory: they come and go
// together, and a piece for each would cost as much as opening it.
func (o *opening) all(batch []*sarama.ConsumerMessage, out []opened) []opened {
	size := 0
	for _, m := range batch {
		size += len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			size += len(h.Value)
		}
	}
	// Copied, since a message's bytes are a window into the whole fetch response,
	// which the history would otherwise hold in memory.
	copies := make([]byte, 0, size)
	kept := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		start := len(copies)
		copies = append(copies, b...)
		return copies[start:len(copies):len(copies)]
	}
	records := make([]web.Record, len(batch))
	out = slices.Grow(out[:0], len(batch))[:len(batch)]
	for i, m := range batch {
		records[i] = web.Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp}
		if first, ok := o.standIn.first(m); ok {
			records[i].State, records[i].From = web.StateOversized, first
		} else {
			records[i].Key, records[i].Wire, records[i].Headers = kept(m.Key), kept(m.Value), headers(m.Headers, kept)
		}
		out[i].record = &records[i]
	}
	onAllCores(len(batch), func(from, to int) { o.judgeAll(out[from:to]) })
	return out
}

// headers copies a record's headers.
func headers(all []*sarama.RecordHeader, kept func([]byte) []byte) []web.Header {
	if len(all) == 0 {
		return nil
	}
	list := make([]web.Header, 0, len(all))
	for _, h := range all {
		list = append(list, web.Header{Key: string(h.Key), Value: kept(h.Value)})
	}
	return list
}

// judgeAll opens records one after the other. Once one is open, the others go
// into one piece of memory: they are likely to open, too.
func (o *opening) judgeAll(records []opened) {
	var room []byte
	done := time.Since(o.began)
	for i := range records {
		r, started := records[i].record, done
		records[i].msg = o.judge(r, room)
		done = time.Since(o.began)
		if r.State != web.StateDecrypted {
			if r.State == web.StateUndecryptable {
				o.took.Observe((done - started).Seconds())
			}
			continue
		}
		o.took.Observe((done - started).Seconds())
		if room == nil {
			size, around := 0, len(r.Wire)-len(r.Value) // the same for all records under one data key
			for _, rest := range records[i+1:] {
				size += max(len(rest.record.Wire)-around, 0)
			}
			room = make([]byte, 0, size)
		} else if len(r.Value) <= cap(room) { // else it has memory of its own: in rsa every record is as long as any other
			room = room[len(r.Value):len(r.Value)]
		}
	}
}

// onAllCores does work for 0 to n-1, in parts. Each core takes the next part as
// soon as it is free, and the parts become smaller, down to one: a private-key
// operation takes milliseconds, and the cores shall finish together.
func onAllCores(n int, work func(from, to int)) {
	cores := max(min(runtime.GOMAXPROCS(0), n), 1)
	var next atomic.Int64
	each := func() {
		for {
			from := next.Load()
			to := from + max((int64(n)-from)/int64(4*cores), 1)
			switch {
			case from >= int64(n):
				return
			case next.CompareAndSwap(from, to):
				work(int(from), int(to))
			}
		}
	}
	var others sync.WaitGroup
	for range cores - 1 {
		others.Go(each)
	}
	each()
	others.Wait()
}

// again judges records anew, on every core, with the keys held now. They are
// others: those in the feed are never written to.
func (o *opening) again(records []*web.Record) []opened {
	out := make([]opened, len(records))
	for i, r := range records {
		next := *r
		out[i].record = &next
	}
	onAllCores(len(out), func(from, to int) { o.judgeAll(out[from:to]) })
	return out
}

// judge opens a record, into the room if it is large enough, and says what is
// true of it, all but its flags: for them the records before it must have been
// followed.
func (o *opening) judge(r *web.Record, room []byte) envelope.Message {
	if r.State == web.StateOversized { // it stays what it is, whatever keys come
		return envelope.Message{}
	}
	msg, err := o.Open(room, r.Topic, r.Wire)
	r.Format, r.KeyID, r.Needs, r.Holds = string(msg.Format), msg.KeyID, msg.Needs, nil
	r.Sender = web.Sender{State: web.SenderUnchecked}
	switch {
	case err == nil:
		r.State, r.Value = web.StateDecrypted, slices.Clip(msg.Plaintext)
		r.Sender, r.DataKey, r.Counter = senderOf(msg.Sender), msg.DataKey, msg.Counter
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
