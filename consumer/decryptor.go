package consumer

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// decryptor turns Kafka's messages into records of the page. It owns the keys.
type decryptor struct {
	config  envelope.OpenerConfig
	topic   string              // that records must have been sealed for
	limiter *fetchlimit.Limiter // recognizes its placeholders
	seconds prometheus.Histogram

	latest *envelope.Opener                // with the keys that were set last
	opener atomic.Pointer[envelope.Opener] // with the keys in use
	next   chan *envelope.Opener           // with keys to use next; only the latest

	decrypting atomic.Bool // most records of the last batch were decrypted
}

func newDecryptor(config envelope.OpenerConfig, topic string, limiter *fetchlimit.Limiter, seconds prometheus.Histogram) *decryptor {
	d := &decryptor{config: config, topic: topic, limiter: limiter, seconds: seconds, next: make(chan *envelope.Opener, 1)}
	d.latest = envelope.NewOpener(config)
	d.opener.Store(d.latest)
	return d
}

// SetKeys makes the pipeline decrypt with these keys. It returns before the pipeline has started, so that the caller can get
// more keys while a large history is decrypted again. It must not be called by two goroutines at once.
func (d *decryptor) SetKeys(keys []*rsa.PrivateKey) error {
	opener, err := d.latest.WithKeys(keys...)
	if err != nil {
		return fmt.Errorf("using released keys: %w", err)
	}
	opener.CopyHeaders(d.opener.Load())
	d.latest = opener
	for {
		select {
		case d.next <- opener:
			return nil
		case <-d.next: // with former keys
		}
	}
}

// result is a record and what its format says of it. msg is zero if the record was not decrypted.
type result struct {
	record *feed.Record
	msg    envelope.Message
	room   []byte // for the message; empty, with the capacity that it needs, or nil
}

// decryptBatch decrypts a batch on every core and keeps its order. It reuses the capacity of results.
//
// The records of a batch share few large allocations: they are freed together, and an allocation for each would cost as
// much as decrypting it.
func (d *decryptor) decryptBatch(batch []*sarama.ConsumerMessage, results []result) []result {
	records := make([]feed.Record, len(batch))
	results = slices.Grow(results[:0], len(batch))[:len(batch)]
	for i, m := range batch {
		records[i] = feed.Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: timestamp(m)}
		if skipped, ok := d.limiter.Placeholder(m); ok {
			records[i].State, records[i].First = feed.StateOversized, skipped.First
			if skipped.Reason == fetchlimit.Damaged {
				records[i].State = feed.StateDamaged
			}
		} else {
			records[i].Key, records[i].Stored, records[i].Headers = m.Key, m.Value, headers(m.Headers)
		}
		results[i].record = &records[i]
	}
	own(records)
	d.makeRoom(results)
	opener := d.opener.Load()
	parallel(len(batch), func(from, to int) { d.decryptAll(opener, results[from:to]) })
	d.retryLean(opener, results)
	d.noteDecrypted(results)
	return results
}

// decryptCopies decrypts copies of records on every core. The originals, which are in the feed, do not change.
func (d *decryptor) decryptCopies(opener *envelope.Opener, records []*feed.Record) []result {
	results := make([]result, len(records))
	for i, r := range records {
		next := *r
		if r.Withheld != nil {
			next.Key, next.Stored, next.Headers, next.Withheld = r.Withheld.Key, r.Withheld.Stored, r.Withheld.Headers, nil
		}
		results[i].record = &next
	}
	parallel(len(results), func(from, to int) { d.decryptAll(opener, results[from:to]) })
	d.retryLean(opener, results)
	return results
}

// retryLean decrypts lean records that one core tried before another one came to the record with their header.
func (d *decryptor) retryLean(opener *envelope.Opener, results []result) {
	for i := range results {
		if results[i].record.State == feed.StateNeedsHeader {
			results[i].msg = d.decrypt(opener, results[i].record, nil)
		}
	}
}

// decryptAll decrypts records one after the other.
func (d *decryptor) decryptAll(opener *envelope.Opener, results []result) {
	tried, began := 0, time.Now()
	for i := range results {
		results[i].msg = d.decrypt(opener, results[i].record, results[i].room)
		if state := results[i].record.State; state == feed.StateDecrypted || state == feed.StateUndecryptable {
			tried++
		}
	}
	if tried > 0 {
		d.seconds.Observe(time.Since(began).Seconds() / float64(tried))
	}
}

// makeRoom makes room for the messages of a batch, in one allocation, if the last batch could be decrypted: junk must not
// take twice its memory. The formats that hide the length of a message get none, and allocate it themselves.
func (d *decryptor) makeRoom(results []result) {
	if !d.decrypting.Load() {
		return
	}
	total := 0
	for i := range results {
		results[i].room = nil
		if n := envelope.MessageSize(results[i].record.Stored); n > 0 {
			total += n
		}
	}
	room := make([]byte, total)
	for i := range results {
		if n := envelope.MessageSize(results[i].record.Stored); n > 0 {
			results[i].room, room = room[:0:n], room[n:]
		}
	}
}

// noteDecrypted notes whether most of a batch could be decrypted. If most of the room for its messages is left, these leave
// it: the feed counts only the messages.
func (d *decryptor) noteDecrypted(results []result) {
	decrypted, used, unused := 0, 0, 0
	for i := range results {
		r := &results[i]
		if r.record.State == feed.StateDecrypted {
			decrypted++
			used += cap(r.room)
		} else {
			unused += cap(r.room)
		}
		r.room = nil
	}
	d.decrypting.Store(decrypted > len(results)/2)
	if unused <= used {
		return
	}
	for i := range results {
		results[i].record.Value = bytes.Clone(results[i].record.Value)
		results[i].msg.Plaintext = results[i].record.Value
	}
}

// decrypt decrypts a record, into the buffer if it is large enough, and sets everything but its flags. They depend on
// the records before it.
func (d *decryptor) decrypt(opener *envelope.Opener, r *feed.Record, buffer []byte) envelope.Message {
	if r.State == feed.StateOversized || r.State == feed.StateDamaged { // no key changes that
		return envelope.Message{}
	}
	if r.Stored == nil { // unlike an empty value
		r.State, r.Sender = feed.StateTombstone, feed.Sender{State: feed.SenderUnchecked}
		return envelope.Message{}
	}
	stored := r.Stored
	msg, err := opener.OpenWith(buffer, d.topic, stored, r.Prefix)
	r.Format, r.KeyID, r.NeededKeys, r.HeldKeys, r.Unsupported = string(msg.Format), msg.KeyID, msg.Needs, nil, feed.Unsupported{}
	r.Sender, r.OtherReaders, r.Rejection, r.HeaderMissing = feed.Sender{State: feed.SenderUnchecked}, nil, feed.Rejection{}, false
	switch {
	case errors.Is(err, envelope.ErrRejected):
		reject(r, err)
	case err == nil:
		if !d.config.Require.HeldReaders { // otherwise the other readers are allowed
			r.OtherReaders = msg.OtherReaders
		}
		r.State, r.Value = feed.StateDecrypted, slices.Clip(msg.Plaintext)
		r.Sender, r.DataKey = senderOf(msg.Sender), dataKeyOf(msg)
	case errors.Is(err, envelope.ErrNotEncrypted):
		r.State = feed.StatePlain
	case errors.Is(err, envelope.ErrMalformed):
		r.State, r.Unsupported = feed.StateMalformed, unsupportedOf(err)
	case errors.Is(err, envelope.ErrNeedsHeader):
		r.State = feed.StateNeedsHeader
	case errors.Is(err, envelope.ErrNoKey):
		r.State = feed.StateNoKey
	case errors.Is(err, envelope.ErrUnknownKey):
		r.State, r.HeldKeys = feed.StateUnknownKey, opener.KeyIDs()
	default:
		r.State, r.HeldKeys = feed.StateUndecryptable, opener.KeyIDs()
	}
	switch {
	case !mayDecrypt(r):
		r.Prefix = ""
	case r.Prefix == "":
		r.Prefix = opener.HeaderOf(stored)
	}
	return msg
}

// parallel calls work for parts of 0 to n-1 on every core. A core that is free takes the next part. The parts become
// smaller, down to one, so that the cores finish together: a private-key operation takes milliseconds.
func parallel(n int, work func(from, to int)) {
	cores := max(min(runtime.GOMAXPROCS(0), n), 1)
	var next atomic.Int64
	worker := func() {
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
		others.Go(worker)
	}
	worker()
	others.Wait()
}
