package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/producer"
)

// producerConfig returns what the producers have in common: one message a second, without rests.
func (d *demo) producerConfig(chosen format) producer.Config {
	cfg := producer.Config{
		Settings: d.kafka, Topic: d.topic, Format: chosen.records(), Message: cmp.Or(d.message, "Azure Confidential Computing"),
		PublicKeyFile: filepath.Join(d.dir, env.PublicKeyFile), OnStored: d.stored.add,
		Pace:    producer.Pace{Rate: 1, SendDuration: 1},
		Headers: producer.Headers{HeaderRecords: 64, HeaderInterval: 500 * time.Millisecond}, // so only lines typed faster are lean
	}
	if chosen.signed() {
		cfg.SigningKeyFile = filepath.Join(d.signing, env.SigningKeyFile)
	}
	return cfg
}

// startProducing starts what the producer sends by itself.
func (d *demo) startProducing(c choice) []*part {
	cfg := d.producerConfig(c.format)
	cfg.MetricsAddr = d.addrs.metrics.producer
	if c.data != console.DataPayments {
		return []*part{d.start("producer", func(ctx context.Context, log *slog.Logger) error {
			_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, nil, log)
			return err
		})}
	}
	cfg.KeySeparator = keySeparator
	lines, writer := io.Pipe()
	return []*part{
		d.start("producer", func(ctx context.Context, log *slog.Logger) error {
			_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, lines, log)
			return errors.Join(err, lines.Close())
		}),
		d.start("payments", func(ctx context.Context, _ *slog.Logger) error { return pay(ctx, writer) }),
	}
}

// startTyping starts the producer of the lines that a person types.
func (d *demo) startTyping(chosen format) []*part {
	cfg := d.producerConfig(chosen)
	cfg.OnStored = d.stored.addTyped
	lines := d.lines.open()
	return []*part{d.start("typed lines", func(ctx context.Context, log *slog.Logger) error {
		log = slog.New(&teeHandler{Handler: log.Handler(), terminal: d.out})
		_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, lines, log)
		return errors.Join(err, lines.Close())
	})}
}

// Send passes a line to the producer, as if it had been typed in the terminal, but never as a command.
func (d *demo) Send(ctx context.Context, line string) error {
	if limit := d.Limit(); len(line) > limit {
		return console.CommandError{
			Code: console.ProblemTooLong, Err: fmt.Errorf("the message has %d bytes, limit %d", len(line), limit),
			Used: len(line), Limit: limit,
		}
	}
	if len(line) > d.limit.now(d) {
		return errReader
	}
	return d.lines.send(ctx, line)
}

var errReader = console.CommandError{
	Code: console.ProblemReader, Err: errors.New("an attack has given the producer another key, which takes only shorter messages: send the message again"),
}
