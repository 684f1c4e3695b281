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
	"time"
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
	keys := cfg.keyFile() // before it is used, so that no change is missed
	first, err := cfg.sealer()
	if err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if insecure := cfg.Notice(); insecure != "" {
		log.WarnContext(ctx, "insecure setting", slog.String("notice", insecure))
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
		unsent := "nothing was sent"
		if in != nil {
			unsent = "nothing was sent, and no line of the input was read"
		}
		return Summary{}, fmt.Errorf("connecting to Kafka: %w: %s; hint: check BROKERS and TOPIC", err, unsent)
	}
	sealing := newSealing(cfg, first, link.room, m, log)
	if cfg.PublicKeyFile != "" {
		following, stop := context.WithCancel(ctx)
		defer stop()
		go sealing.follow(following, keys)
	}
	work := &pipeline{cfg: cfg, in: in, sealing: sealing, partitions: link.chooser(cfg.Topic), lines: newLines()}
	d := newDelivery(link, cfg.Explain, m, log)
	work.each(ctx, func(r record) {
		if r.err != nil {
			log.ErrorContext(ctx, "message not sent", slog.Uint64("line", r.number), slog.Any("error", r.err))
			d.skip()
			return
		}
		d.send(hurry, cfg.Topic, r)
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
