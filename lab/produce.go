package lab

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/messages"
	"kafka-e2ee/lab/terminal"
	"kafka-e2ee/producer"
)

// producerConfig returns what the producers have in common: one message a second, without rests.
func (d *demo) producerConfig(chosen formats.Format) producer.Config {
	cfg := producer.Config{
		Settings: d.kafka, Topic: d.topic, Format: chosen.Records(), Message: cmp.Or(d.message, "Azure Confidential Computing"),
		PublicKeyFile: filepath.Join(d.dir, env.PublicKeyFile), OnStored: d.stored.Add,
		Pace:    producer.Pace{Rate: 1, SendDuration: 1},
		Headers: producer.Headers{HeaderRecords: 64, HeaderInterval: 500 * time.Millisecond}, // so only lines typed faster are lean
	}
	if chosen.Signed() {
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
	cfg.KeySeparator = messages.KeySeparator
	lines, writer := io.Pipe()
	return []*part{
		d.start("producer", func(ctx context.Context, log *slog.Logger) error {
			_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, lines, log)
			return errors.Join(err, lines.Close())
		}),
		d.start("payments", func(ctx context.Context, _ *slog.Logger) error { return messages.Pay(ctx, writer) }),
	}
}

// startTyping starts the producer of the lines that a person types.
func (d *demo) startTyping(chosen formats.Format) []*part {
	cfg := d.producerConfig(chosen)
	cfg.OnStored = d.stored.AddTyped
	lines := d.lines.Open()
	return []*part{d.start("typed lines", func(ctx context.Context, log *slog.Logger) error {
		log = slog.New(terminal.TeeErrors(log.Handler(), d.out))
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
	if len(line) > d.limit.Now(d.choice().format.Records()) {
		return errReader
	}
	return d.lines.Send(ctx, line)
}

var errReader = console.CommandError{
	Code: console.ProblemReader, Err: errors.New("an attack has given the producer another key, which takes only shorter messages: send the message again"),
}

// Limit returns how long a message from the console may be.
func (d *demo) Limit() int {
	format := d.choice().format.Records()
	now := d.limit.Now(format)
	attacked, _ := d.Attacked()
	return d.limit.Told(format, now, attacked.Running)
}

// Sent returns what a producer encrypted for the record at a position.
func (d *demo) Sent(partition int32, offset int64) (string, bool) {
	return d.stored.Sent(partition, offset)
}

// Wrote returns which message a producer stored as a value with that SHA-256, and where.
func (d *demo) Wrote(value [sha256.Size]byte) (console.Written, bool) { return d.stored.Wrote(value) }

// Typed returns the newest message that a person typed.
func (d *demo) Typed() (console.Typed, bool) { return d.stored.Typed() }
