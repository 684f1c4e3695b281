// Package lab emulates the parts that a laptop lacks: a Kafka broker, SEV-SNP
// hardware, an attestation service, a vault and a sidecar. Run starts them and
// the programs in one process, and prints where to look.
//
// The programs are the real ones and really encrypt. The release is really
// decided, too, but about emulated hardware: nothing here protects anything.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
)

// Config configures Run.
type Config struct {
	Port     int             // of the confidential pod's page; the ordinary pod's is Port+1, the console's Port+2, the attested address Port+10
	Format   envelope.Format // of the records
	Scenario string          // the first one: a name in scenarios, or help, which only lists them; empty: good
	Data     string          // what the producer sends by itself: console.DataMsg (also if empty) or console.DataPayments
	// After replaces time.After for the scenarios' events. Nil means time.After.
	After func(time.Duration) <-chan time.Time
}

const (
	topic       = "kafka-demo-topic"
	akvEndpoint = "vault.lab.example"
)

// Run runs the demo in this process until ctx ends. Lines read from in become
// messages, or are commands; see terminal. Run prints the addresses to out, and
// writes logs to a file whose name it prints.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	if cfg.Scenario == "help" {
		return listScenarios(out)
	}
	first, err := cfg.firstChoice()
	if err != nil {
		return err
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	addrs, release, err := reservePorts(ctx, cfg.Port)
	defer release()
	if err != nil {
		return err
	}
	logFile, err := os.CreateTemp("", "kafka-e2ee-lab-*.log")
	if err != nil {
		return fmt.Errorf("creating the log file: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // a lost last log line does no harm
	dir, err := os.MkdirTemp("", "kafka-e2ee-lab-*")
	if err != nil {
		return fmt.Errorf("creating a folder for the pods' files: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the files protect nothing

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d := &demo{
		ctx: ctx, stop: stop, log: slog.New(slog.NewJSONHandler(logFile, nil)), out: out, after: cfg.After, addrs: addrs, dir: dir,
		changing: make(chan struct{}, 1), stored: newStored(storedBytes), observed: make(map[string]map[string]string),
		pod: http.Transport{ResponseHeaderTimeout: 5 * time.Second},
	}
	if err := d.open(); err != nil {
		return err
	}
	defer d.close()
	release()
	plan, _ := findScenario(first.scenario) //nolint:errcheck // firstChoice has found it
	printGreeting(out, d, first.format, plan, logFile.Name())
	if err := d.change(ctx, true, func(next *choice) { *next = first }); err != nil {
		return err
	}
	defer d.pod.CloseIdleConnections()
	d.start("console", func(ctx context.Context, log *slog.Logger) error { return console.Run(ctx, d, log) }) //nolint:contextcheck // a part's context ends with the demo
	go d.readTerminal(ctx, in)                                                                                // a read from in may never return
	<-ctx.Done()
	d.running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// firstChoice checks what was chosen on the command line.
func (c Config) firstChoice() (choice, error) {
	plan, err := findScenario(c.Scenario)
	if err != nil {
		return choice{}, err
	}
	data, err := checkData(c.Data)
	if err != nil {
		return choice{}, err
	}
	return choice{scenario: plan.name, format: c.Format, data: data}, checkFormat(c.Format)
}

func checkFormat(format envelope.Format) error {
	switch format {
	case envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE:
		return nil
	}
	return fmt.Errorf("the format %q is not known (hint: rsa, envelope, jwe)", format)
}
