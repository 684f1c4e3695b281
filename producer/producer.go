// Package producer encrypts messages with a public key and writes them to Kafka.
//
//	cfg, err := producer.Load(os.LookupEnv)
//	summary, err := producer.Run(ctx, cfg, producer.Build{}, nil, log)
//
// Kafka, its disks and its network see ciphertext only. They do see when a record is written, where to, and how long
// it is; and anyone who has the public key can write records like ours.
package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"kafka-e2ee/envelope"
)

// Build says which build is running; it is shown in /metrics.
type Build struct{ Version, Commit string }

// Summary says what became of the messages. Each one is acknowledged or failed.
type Summary struct {
	Sent         uint64 // encrypted and handed to the Kafka client
	Acknowledged uint64 // stored by Kafka on all replicas in sync
	Failed       uint64 // too long, refused by Kafka, or not acknowledged in time at the end
}

// Run produces until COUNT messages are sent, in ends, or ctx is done, and then waits for Kafka's acknowledgments:
// without limit in the first two cases, 10 seconds once ctx is done.
// If in is not nil, each of its lines is one message, as it is and at once; otherwise they are "Msg 1: <MSG>" and so on.
//
// A broker that is away is waited for. The error is an [ErrSettings], or says that Kafka was never reached, that
// metrics cannot be served, that reading in failed, or that messages failed.
// A read from in that is under way when ctx is done is left to end by itself.
func Run(ctx context.Context, cfg Config, build Build, in io.Reader, log *slog.Logger) (sum Summary, err error) {
	sealer, err := cfg.sealer()
	if err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	m := newMetrics(build)
	stop, err := m.serve(ctx, cfg.MetricsAddr)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	hurry, cancel := graceAfter(ctx)
	defer cancel()
	link, err := connect(ctx, hurry, cfg, log)
	if err != nil {
		return Summary{}, fmt.Errorf("connecting to Kafka: %w", err)
	}
	work := &pipeline{cfg: cfg, in: in, sealer: sealer, metrics: m, log: log}
	d := newDelivery(link, m, log)
	work.each(ctx, func(r record) {
		if r.err != nil {
			log.ErrorContext(ctx, "message not sent", slog.Uint64("line", r.number), slog.Any("error", r.err))
			d.skip()
			return
		}
		d.send(hurry, cfg.Topic, r.value)
	})
	sum = d.finish(hurry)
	if sum.Failed > 0 {
		err = fmt.Errorf("producing to topic %q: %d messages failed", cfg.Topic, sum.Failed)
	}
	return sum, errors.Join(work.broken, err)
}

// grace is how long acknowledgments are waited for once the program shall end; Kubernetes kills after 30 seconds.
const grace = 10 * time.Second

// graceAfter gives a context that ends the grace period after ctx does.
func graceAfter(ctx context.Context) (hurry context.Context, cancel context.CancelFunc) {
	hurry, cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-ctx.Done():
		case <-hurry.Done():
			return
		}
		select {
		case <-time.After(grace):
			cancel()
		case <-hurry.Done():
		}
	}()
	return hurry, cancel
}

// pipeline takes messages from their source and seals them on all cores, in order.
type pipeline struct {
	cfg     Config
	in      io.Reader
	sealer  *envelope.Sealer
	metrics metrics
	log     *slog.Logger
	broken  error // why the source ended early; set before each returns
}

// record is a sealed message, or the reason why there is none.
type record struct {
	number uint64
	value  []byte
	err    error
}

// each calls handle for every message in the order of the source, until that ends or ctx is done.
func (p *pipeline) each(ctx context.Context, handle func(record)) {
	// One future a message: the order is the channel's, and the channel's size bounds the work ahead.
	futures := make(chan chan record, 4*runtime.GOMAXPROCS(0))
	ended := make(chan error, 1)
	go func() {
		ended <- p.source(ctx, func(msg message) bool {
			future := make(chan record, 1)
			select {
			case <-ctx.Done():
				return false
			case futures <- future:
				go func() { future <- p.seal(msg) }()
				return ctx.Err() == nil
			}
		})
		close(futures)
	}()
	for {
		select {
		case future, more := <-futures:
			if !more {
				p.broken = <-ended
				return
			}
			handle(<-future)
		case <-ctx.Done():
			// The source may sit in a read that never returns, so take what is there and go.
			for {
				select {
				case future, more := <-futures:
					if !more {
						return
					}
					handle(<-future)
				default:
					return
				}
			}
		}
	}
}

func (p *pipeline) source(ctx context.Context, yield func(message) bool) error {
	if p.in != nil {
		return p.cfg.lines(p.in, p.sealer.MaxPlaintext(), yield)
	}
	p.cfg.numbered(ctx, realClock(), yield)
	return nil
}

func (p *pipeline) seal(msg message) record {
	limit := p.sealer.MaxPlaintext()
	if msg.tooLong || len(msg.text) > limit {
		return record{number: msg.number, err: fmt.Errorf("sealing message: longer than the %d bytes that the key holds", limit)}
	}
	start := time.Now()
	value, err := p.sealer.Seal(nil, msg.text, 0) // an rsa record does not name its partition
	p.metrics.seal.Observe(time.Since(start).Seconds())
	return record{number: msg.number, value: value, err: err}
}
