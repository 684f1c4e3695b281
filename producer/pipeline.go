package producer

import (
	"context"
	"io"
	"runtime"
	"time"

	"kafka-e2ee/envelope"
)

// pipeline takes messages from their source and seals them, in order.
type pipeline struct {
	cfg        Config
	in         io.Reader
	sealing    *sealing
	partitions *chooser
	lines      lines
	broken     error // why the source ended early; set before each returns
}

// record is a sealed message, or the reason why there is none.
type record struct {
	number    uint64
	partition int32
	parcel    *parcel
	err       error
}

// each calls handle for every message in the order of the source, until that ends or ctx is done.
func (p *pipeline) each(ctx context.Context, handle func(record)) {
	// The order is the channel's, and its size bounds the work ahead.
	begun := make(chan func() record, min(4*runtime.GOMAXPROCS(0), 64))
	ended := make(chan error, 1)
	go func() {
		ended <- p.source(ctx, func(msg message) bool {
			select {
			case <-ctx.Done():
				return false
			case begun <- p.begin(msg):
				return ctx.Err() == nil
			}
		})
		close(begun)
	}()
	for {
		select {
		case finish, more := <-begun:
			if !more {
				p.broken = <-ended
				return
			}
			handle(finish())
		case <-ctx.Done():
			// The source may sit in a read that never returns, so take what is there and go.
			for {
				select {
				case finish, more := <-begun:
					if !more {
						return
					}
					handle(finish())
				default:
					return
				}
			}
		}
	}
}

func (p *pipeline) source(ctx context.Context, yield func(message) bool) error {
	if p.in != nil {
		return p.lines.read(p.in, p.cfg.Count, p.sealing.limit, yield)
	}
	p.cfg.numbered(ctx, realClock(), yield)
	return nil
}

// begin starts sealing a message, and returns what waits for the result. The results are waited for one by one, in
// the order of the messages.
//
// A record of the format rsa costs an operation with the public key, so it is sealed ahead on any core. One of the
// others costs less than handing it to another core would, and takes the next counter of its partition: it is
// sealed when its turn comes, so that the counters reach Kafka in their order.
func (p *pipeline) begin(msg message) func() record {
	if p.cfg.Format != envelope.FormatRSA {
		return func() record {
			defer p.lines.free(msg.text)
			return p.sealing.seal(msg, p.partitions.next(p.sealing.size(msg), time.Now()))
		}
	}
	sealed := make(chan record, 1)
	go func() {
		defer p.lines.free(msg.text)
		sealed <- p.sealing.seal(msg, 0)
	}()
	return func() record {
		r := <-sealed
		if r.err == nil {
			r.partition = p.partitions.next(r.parcel.Length(), time.Now())
		}
		return r
	}
}
