package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/producer"
)

// producerConfig returns what the producers have in common: one message a second, without rests.
func (d *demo) producerConfig(format envelope.Format) producer.Config {
	cfg := producer.Config{
		Settings: d.kafka, Topic: topic, Format: format, Message: "Azure Confidential Computing",
		PublicKeyFile: filepath.Join(d.dir, env.PublicKeyFile), OnStored: d.stored.add,
		Pace:    producer.Pace{Rate: 1, SendDuration: 1},
		Headers: producer.Headers{HeaderRecords: 64, HeaderInterval: 500 * time.Millisecond}, // so only lines typed faster are lean
	}
	if format != envelope.FormatRSA {
		cfg.SigningKeyFile = d.sender.signing
	}
	return cfg
}

// startProducing starts what the producer sends by itself.
func (d *demo) startProducing(c choice) []*part {
	cfg := d.producerConfig(c.format)
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
func (d *demo) startTyping(format envelope.Format) []*part {
	cfg := d.producerConfig(format)
	cfg.OnStored = d.stored.addTyped
	lines := d.lines.open()
	return []*part{d.start("typed lines", func(ctx context.Context, log *slog.Logger) error {
		log = slog.New(&teeHandler{Handler: log.Handler(), terminal: d.out})
		_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, lines, log)
		return errors.Join(err, lines.Close())
	})}
}

// maxTyped bounds a message from the console, in bytes. The terminal takes longer ones.
const maxTyped = 64 << 10

// Limit returns how long a message from the console may be.
func (d *demo) Limit() int {
	text, err := os.ReadFile(filepath.Join(d.dir, env.PublicKeyFile))
	if err != nil {
		return 0
	}
	readers, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return 0
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: d.choice().format, Topic: topic, Readers: readers})
	if err != nil {
		return 0
	}
	return min(sealer.MaxPlaintext(), maxTyped)
}

// Send passes a line to the producer, as if it had been typed in the terminal, but never as a command.
func (d *demo) Send(ctx context.Context, line string) error {
	if limit := d.Limit(); len(line) > limit {
		return fmt.Errorf("the message has %d bytes, limit %d", len(line), limit)
	}
	return d.lines.send(ctx, line)
}
