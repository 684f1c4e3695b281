// Package lab is the demo on what a laptop lacks, which its folders emulate: a
// Kafka broker, SEV-SNP hardware, an attestation service, a vault and a sidecar.
// Run starts them and the programs in one process, and prints where to look. In
// the compose demo, Kafka and the two consumers are in containers of their own.
//
// The programs are the real ones and really encrypt. The release is really
// decided, too, but about emulated hardware: nothing here protects anything.
package lab

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/messages"
	"kafka-e2ee/lab/scenario"
	"kafka-e2ee/lab/terminal"
)

// Config configures Run.
type Config struct {
	Port     int    // of the confidential pod's page; the ordinary pod's is Port+1, the console's Port+2, the attested address Port+10
	Format   string // of the records: rsa, envelope-unsigned, envelope (signed, in strict pods) or jwe
	Scenario string // the first one: a name in scenario.All, or help, which only lists them; empty: good
	Data     string // what the producer sends by itself: console.DataMsg (also if empty) or console.DataPayments
	Message  string // of console.DataMsg; empty: the document's
	Broker   string // HOST:PORT of a Kafka on this computer, where the demo has a topic of its own; empty: an embedded one
	// Containers is set if Kafka and the pods run in containers. Port and Broker have no meaning then.
	Containers *Containers
	// After replaces time.After for the scenarios' events. Nil means time.After.
	After func(time.Duration) <-chan time.Time
}

// Run runs the demo in this process until ctx ends. Lines read from in become
// messages, or are commands; see [terminal.Terminal.Read]. Run prints the addresses to out, and
// writes logs to a file whose name it prints.
func Run(parent context.Context, cfg Config, in io.Reader, out io.Writer) error {
	if cfg.Scenario == "help" {
		return scenario.List(out)
	}
	ctx, stop := context.WithCancelCause(parent)
	d, err := start(ctx, stop, cfg, out)
	switch {
	case err != nil && parent.Err() != nil: // while it started
		return nil
	case err != nil:
		return err
	}
	defer d.close()
	if in != nil {
		go terminal.New(d, &d.lines, out).Read(ctx, in) // not a part: a read from in may never return
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// start starts the demo, which runs until stop is called, and prints the addresses. It calls stop if it fails.
func start(ctx context.Context, stop context.CancelCauseFunc, cfg Config, out io.Writer) (d *demo, err error) {
	defer func() {
		if err != nil {
			stop(err)
		}
	}()
	first, err := cfg.firstChoice()
	if err != nil {
		return nil, err
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	addrs, release := podAddresses(), func() {}
	if cfg.Containers == nil {
		addrs, release, err = reservePorts(ctx, cfg.Port)
	}
	defer release()
	if err != nil {
		return nil, err
	}
	d = newDemo(ctx, stop, cfg, addrs, out)
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if err := d.open(cfg.Broker); err != nil {
		return nil, err
	}
	release()
	if cfg.Containers == nil {
		printGreeting(d, first)
	}
	if err := d.change(ctx, true, func(next *choice) { *next = first }); err != nil {
		return nil, err
	}
	d.start("console", func(ctx context.Context, log *slog.Logger) error { return console.Run(ctx, d, log) }) //nolint:contextcheck // a part's context ends with the demo
	return d, nil
}

// Check checks what was chosen on the command line: format, scenario, data, broker.
func (c Config) Check() error {
	_, err := c.firstChoice()
	return err
}

// firstChoice checks what was chosen on the command line.
func (c Config) firstChoice() (choice, error) {
	plan, err := scenario.Find(c.Scenario)
	if err != nil {
		return choice{}, err
	}
	data, err := messages.CheckData(c.Data)
	if err != nil {
		return choice{}, err
	}
	if c.Broker != "" {
		if err := broker.CheckAddress(c.Broker); err != nil {
			return choice{}, err
		}
	}
	chosen, err := formats.Find(c.Format)
	return choice{scenario: plan.Name, format: chosen, data: data}, err
}
