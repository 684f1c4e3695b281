package producer

import (
	"context"
	"io"
	"runtime"
	"time"

	"kafka-e2ee/envelope"
)

// pipeline reads messages from their source and chooses their partitions, in order. It seals those of the format rsa.
type pipeline struct {
	drainCtx    context.Context //nolint:containedctx // ends the wait for Kafka, later than the context of run
	cfg         Config
	in          io.Reader // nil: generate messages
	sealer      *sealer
	partitioner *partitioner
	batches     batchPool
}

// record is a message that can be sent, or the reason why it cannot.
type record struct {
	number    uint64
	text, key []byte // in the batch's buffer; no key is nil
	partition int32
	value     []byte      // if it was sealed ahead
	sent      *sentRecord // once it is in flight
	err       error
}

// run calls handle for every message, in batches and in the order of the source, until the source ends or ctx does. handle
// must not keep a batch. The error is why the source ended early.
func (p *pipeline) run(ctx context.Context, handle func([]record)) error {
	// The channel keeps the order, and its size limits the work ahead.
	batches := make(chan started, min(4*runtime.GOMAXPROCS(0), 64))
	var sourceErr error // set before batches is closed
	go func() {
		defer close(batches)
		sourceErr = p.read(ctx, func(b *batch) bool {
			select {
			case <-ctx.Done():
				return false
			case batches <- p.start(b):
				return ctx.Err() == nil
			}
		})
	}()
	finish := func(s started) {
		now := time.Now()
		for _, msg := range s.messages {
			s.records = append(s.records, p.finish(s, msg, now))
		}
		handle(s.records)
		p.batches.put(s.batch)
	}
	for ctx.Err() == nil {
		select {
		case s, more := <-batches:
			if !more {
				return sourceErr
			}
			finish(s)
		case <-ctx.Done():
		}
	}
	// The source may be in a read that never returns, so handle only the messages that are already here.
	for {
		select {
		case s, more := <-batches:
			if !more {
				return sourceErr
			}
			finish(s)
		default:
			return nil
		}
	}
}

func (p *pipeline) read(ctx context.Context, yield func(*batch) bool) error {
	b := p.batches.get()
	add := func(msg message) bool {
		if b.add(msg); msg.more && b.hasRoom() && isDated(p.cfg.Format) {
			return true
		}
		full := b
		b = p.batches.get()
		return yield(full)
	}
	if p.in != nil {
		return readLines(p.in, p.cfg.Count, p.sealer.lineLimit, func() []byte { return b.free() }, func(msg message) bool { return add(p.cfg.withKey(msg)) })
	}
	p.cfg.generate(ctx, jitter, add)
	return nil
}

// started is a batch whose messages are being prepared.
type started struct {
	*batch
	sealed chan record // the only message's, if it is sealed ahead
}

// start starts to prepare a batch. Call finish for each of its messages, in order.
//
// A record of the format rsa costs an operation with the public key, so any core seals it ahead. A record of the other
// formats costs less than the handover to another core, takes the next counter of its partition, and expires. So delivery
// seals it, when it can be sent.
func (p *pipeline) start(b *batch) started {
	if isDated(p.cfg.Format) {
		return started{b, nil}
	}
	sealed := make(chan record, 1)
	go func() { sealed <- p.sealAhead(b.messages[0]) }()
	return started{b, sealed}
}

// finish waits until a message of a batch is prepared.
func (p *pipeline) finish(s started, msg message, now time.Time) (r record) {
	if s.sealed != nil {
		r = <-s.sealed
	} else {
		r = p.admit(msg)
	}
	if r.err == nil {
		r.partition, r.err = p.partition(msg, now)
	}
	return r
}

// isDated reports whether records of the format expire.
func isDated(format envelope.Format) bool { return format != envelope.FormatRSA }

// admit checks a message, and waits while nothing may be sealed.
func (p *pipeline) admit(msg message) record {
	r := record{number: msg.number, text: msg.text, key: msg.key, err: p.sealer.admit(msg)}
	if r.err == nil {
		r.err = p.sealer.keys.wait(p.drainCtx)
	}
	return r
}

func (p *pipeline) sealAhead(msg message) record {
	r := p.admit(msg)
	if r.err == nil {
		start := time.Now()
		r.value, _, r.err = p.sealer.seal(nil, &r)
		p.sealer.metrics.seal.Observe(time.Since(start).Seconds())
	}
	return r
}

// partition chooses the partition of a message.
func (p *pipeline) partition(msg message, now time.Time) (int32, error) {
	if msg.key != nil {
		return p.partitioner.byKey(p.drainCtx, msg.key, now)
	}
	return p.partitioner.sticky(p.drainCtx, p.sealer.size(msg.text, nil), now)
}
