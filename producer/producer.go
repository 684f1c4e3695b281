// Package producer encrypts messages with a public key and writes them to Kafka.
//
//	cfg, err := producer.Load(os.LookupEnv)
//	summary, err := producer.Run(ctx, cfg, producer.Build{}, nil, log)
//
// Kafka, its disks and its network see only ciphertext. They do see when a record is written, its topic and partition, and
// its length; and anyone with the public key can write records like ours.
package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/health"
	"kafka-e2ee/settings"
)

// Build is the version that runs.
type Build = health.Build

// Summary counts the messages. Each one was acknowledged or failed.
type Summary struct {
	Sent         uint64 // encrypted and passed to the Kafka client
	Acknowledged uint64 // stored by Kafka on all replicas in sync
	Failed       uint64 // too long, refused by Kafka, or not acknowledged in time at the end
}

// Run produces until COUNT messages are sent, in ends, or ctx ends, and then waits for Kafka's acknowledgments: without
// limit in the first two cases, 10 seconds after ctx has ended. If in is not nil, each of its lines is one message, sent
// unchanged and at once; otherwise the messages are "Msg 1: <MSG>" and so on.
//
// Run waits for absent brokers. The error is a [settings.ErrInvalid], or says that Kafka was never reached, that
// metrics cannot be served, that the input cannot be read, or that messages failed. Run does not wait for a read from
// in that is in progress when ctx ends.
func Run(ctx context.Context, cfg Config, build Build, in io.Reader, log *slog.Logger) (sum Summary, err error) {
	keys := newKeyFiles(cfg, log)
	if err := keys.load(); err != nil {
		return Summary{}, settings.Invalid(err)
	}
	if cfg.ignoredVariables != "" {
		log.WarnContext(ctx, "variables of the original program do nothing here", slog.String("hint", cfg.ignoredVariables))
	}
	if insecure := cfg.Notice(); insecure != "" {
		log.WarnContext(ctx, "insecure setting", slog.String("notice", insecure))
	}
	if cfg.KeySeparator != "" && in == nil {
		return Summary{}, settings.Invalid(errors.New("-key-separator: needs -stdin"))
	}
	state := newStatus(cfg.Explain, log)
	m := newMetrics(build, state, keys)
	if in == nil && cfg.Count == 0 {
		m.endless.Set(1)
	}
	stop, err := m.serve(ctx, cfg.MetricsAddr)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	drainCtx, cancel := drainContext(ctx)
	defer cancel()
	connecting := func(ctx context.Context) (connected, error) { return connect(ctx, drainCtx, cfg, state, log) }
	conn, err := connecting(ctx)
	if err != nil {
		unsent := "nothing was sent"
		if in != nil {
			unsent = "nothing was sent, and no line of the input was read"
		}
		return Summary{}, fmt.Errorf("connecting to Kafka: %w: %s (hint: check BROKERS and TOPIC)", err, unsent)
	}
	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx)) // ctx may end before the last acknowledgment
	defer stopWatch()
	sealer := newSealer(cfg, keys, conn.maxValue, func() (int, error) { return queryMaxValue(drainCtx, cfg) }, m)
	if len(keys.reloader.Sources) > 0 {
		sealer.reloadKeys(watchCtx) // they may have changed while Kafka was away
		go settings.Follow(watchCtx, time.Tick(settings.ReloadEvery), func() { sealer.reloadKeys(watchCtx) })
	}
	if sealer.compaction.lean {
		go sealer.compaction.follow(watchCtx, func() (bool, error) { return queryCompacted(drainCtx, cfg) }, log)
	}
	d := newDelivery(drainCtx, conn, connecting, sealer, state, log)
	go state.watch(watchCtx, cfg.Linger, func() *sarama.Config { return d.conn().conf }, func() error { return probeTopic(cfg) })
	p := &pipeline{drainCtx: drainCtx, cfg: cfg, in: in, sealer: sealer, partitioner: d.partitioner(), batches: newBatchPool()}
	kafkaFailed := false // for at least one message
	sourceErr := p.run(ctx, func(batch []record) {
		d.send(drainCtx, batch)
		for _, r := range batch {
			if r.err != nil {
				log.ErrorContext(ctx, "message not sent", slog.Uint64("line", r.number), slog.Any("error", r.err))
				kafkaFailed = kafkaFailed || errors.Is(r.err, errNoPartition)
				d.skip()
			}
		}
	})
	sum = d.finish(drainCtx)
	if sum.Failed > 0 {
		err = fmt.Errorf("producing to topic %q: %d messages failed", cfg.Topic, sum.Failed)
		if cause := state.lastCause(); cause != "" && (kafkaFailed || sum.Acknowledged < sum.Sent) {
			err = fmt.Errorf("%w: last cause: %s", err, cause)
		}
	}
	return sum, errors.Join(sourceErr, err)
}

// gracePeriod is the wait for acknowledgments after ctx has ended. Kubernetes kills the program after 30 seconds.
const gracePeriod = 10 * time.Second

// drainContext returns a context that ends gracePeriod after ctx.
func drainContext(ctx context.Context) (context.Context, context.CancelFunc) {
	drainCtx, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(gracePeriod, end) })
	return drainCtx, func() { stop(); end() }
}
