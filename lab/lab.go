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
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/producer"
	"kafka-e2ee/web/access"
)

// Config configures Run.
type Config struct {
	Port     int             // of the confidential pod's page; the ordinary pod's is Port+1, the attested address Port+10
	Format   envelope.Format // of the records
	Scenario string          // a name in scenarios, or help, which only lists them; empty: nothing goes wrong
	// After replaces time.After for the scenario's later events. Nil means time.After.
	After func(time.Duration) <-chan time.Time
}

const (
	topic       = "kafka-demo-topic"
	akvEndpoint = "vault.lab.example"
	// attestedPort is how much the attested address's port is above the page's.
	attestedPort = 10
	// noSidecarURL is an address at which nothing listens.
	noSidecarURL = "http://127.0.0.1:9"
)

// Run runs the demo in this process until ctx ends. Lines read from in become
// messages. Run prints the addresses to out, and writes logs to a file whose name
// it prints.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	if cfg.Scenario == "help" {
		return listScenarios(out)
	}
	plan, err := findScenario(cfg.Scenario)
	if err != nil {
		return err
	}
	if err := checkFormat(cfg.Format); err != nil {
		return err
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	pages, attested, release, err := reservePorts(ctx, cfg.Port)
	defer release()
	if err != nil {
		return err
	}
	logFile, err := os.CreateTemp("", "kafka-e2ee-lab-*.log")
	if err != nil {
		return fmt.Errorf("creating the log file: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // a lost last log line does no harm
	log := slog.New(slog.NewJSONHandler(logFile, nil))

	broker, err := newBroker(retentionBytes)
	if err != nil {
		return err
	}
	defer broker.Close()
	dir, err := os.MkdirTemp("", "kafka-e2ee-lab-*")
	if err != nil {
		return fmt.Errorf("creating a folder for the pods' files: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the files protect nothing
	sender, err := newSender(dir, cfg.Format)
	if err != nil {
		return err
	}
	maa, err := unusedAddr(ctx)
	if err != nil {
		return err
	}
	podAttested := attested
	if plan.impostor {
		if podAttested, err = unusedAddr(ctx); err != nil {
			return err
		}
	}
	environment, err := env.New(ctx, env.Config{
		AttestationHost: maa, VaultHost: akvEndpoint, Listen: maa, SidecarAddr: "127.0.0.1:0", PublicDir: dir,
		ChangeGuest: plan.changeGuest, Role: plan.role, Rotations: plan.rotations, Logger: log.With(slog.String("part", "cloud")),
	})
	if err != nil {
		return err
	}
	defer environment.Close() //nolint:errcheck // the process ends next
	sidecar := environment.Sidecar.URL()
	if plan.noSidecar {
		sidecar = noSidecarURL
	}
	if plan.before != nil {
		if err := plan.before(environment); err != nil {
			return err
		}
	}
	release()

	kafka := kafkaconf.Settings{Brokers: broker.ListenAddrs()}
	fmt.Fprintf(out, greeting, cfg.Format, pages[0], plan.summary, sender.note, attested, verifyCommand(dir, attested), pages[1], ciphertext(cfg.Format), kafka.Brokers[0], kafka.Brokers[0], topic, logFile.Name()) //nolint:errcheck // a closed terminal is not our failure

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	run := func(name string, part func(*slog.Logger) error) {
		parts.Go(func() {
			if err := part(log.With(slog.String("part", name))); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	pods := consumer.Config{
		Settings: kafka, Topic: topic, TrustedSenders: sender.trusted,
		Keys: keys.Settings{
			Names: env.KeyName, MAAEndpoint: maa, AKVEndpoint: akvEndpoint,
			AttestationCAFile: filepath.Join(dir, env.AuthorityFile), PolicyFile: filepath.Join(dir, env.PolicyFile),
		},
		WebHistory: 1000, UnpackedBytes: 16 << 20, WebNotice: "lab",
		Access: access.Settings{Hosts: []string{"localhost", "127.0.0.1", "::1"}}, // against DNS rebinding
	}
	if cfg.Format == envelope.FormatEnvelope {
		requireProof(&pods, environment.KeyIDs())
	}
	for name, pod := range map[string]struct{ page, attested, sidecar string }{
		"confidential": {pages[0], podAttested, sidecar}, "ordinary": {pages[1], "", noSidecarURL},
	} {
		cfg := pods // the sidecar is the only difference between the pods, beside their addresses
		cfg.Access.Addr, cfg.Access.AttestedAddr, cfg.Keys.SkrURL, cfg.Group = pod.page, pod.attested, pod.sidecar, name
		run(name+" pod", func(log *slog.Logger) error { return consumer.Run(ctx, cfg, consumer.Build{Version: "lab"}, log) })
	}
	producing := producer.Config{
		Settings: kafka, Topic: topic, Format: cfg.Format, Message: "Azure Confidential Computing",
		PublicKeyFile: filepath.Join(dir, env.PublicKeyFile), SigningKeyFile: sender.signing,
		Pace: producer.Pace{Rate: 1, SendDuration: 1}, // one message a second, without rests
	}
	for name, lines := range map[string]io.Reader{"producer": nil, "typed lines": in} {
		run(name, func(log *slog.Logger) error {
			if lines != nil {
				log = slog.New(&teeHandler{Handler: log.Handler(), terminal: out})
			}
			_, err := producer.Run(ctx, producing, producer.Build{Version: "lab"}, lines, log)
			return err
		})
	}
	if plan.impostor {
		run("impostor", func(log *slog.Logger) error { return impersonate(ctx, attested, podAttested, log) })
	}
	run("scenario", func(*slog.Logger) error { return plan.play(ctx, environment, cfg.After) })
	<-ctx.Done()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

const greeting = `
  One message a second is encrypted (format %s), stored in Kafka, and read twice:

  confidential pod   http://%s   %s%s
                     https://%s  the same page, for you to verify: in another terminal, in this folder

  %s

  ordinary pod       http://%s   same program, no sidecar: %s
  Kafka              %s         holds only ciphertext:
                     kcat -C -b %s -t %s

  Type a line and press Enter: it becomes a message, too. Ctrl-C stops everything.
  Logs: %s

`

func checkFormat(format envelope.Format) error {
	switch format {
	case envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE:
		return nil
	}
	return fmt.Errorf("the format %q is not known (hint: rsa, envelope, jwe)", format)
}

// ciphertext describes a record without its key.
func ciphertext(format envelope.Format) string {
	switch format {
	case envelope.FormatEnvelope:
		return "ciphertext, shown as base64"
	case envelope.FormatJWE:
		return "ciphertext, a JWE in text"
	default:
		return "base64 ciphertext"
	}
}

// verifyCommand returns the command that verifies the attested address. Its files
// are from here, because here is who created the key.
func verifyCommand(dir, addr string) string {
	file := func(name string) string { return filepath.Join(dir, name) }
	return fmt.Sprintf("go run ./cmd/verify -policy %s -ca %s -key %s https://%s", file(env.PolicyFile), file(env.AuthorityFile), file(env.PublicKeyFile), addr)
}

// reservePorts listens on the ports of the pages, so that broker and cloud
// cannot choose them. The ports stay reserved until release is called.
func reservePorts(ctx context.Context, port int) (pages [2]string, attested string, release func(), err error) {
	var listeners []net.Listener
	release = func() {
		for _, l := range listeners {
			_ = l.Close() //nolint:errcheck // if the port is still taken, starting the page reports it
		}
	}
	var addrs []string
	for _, port := range []int{port, port + 1, port + attestedPort} {
		addr := net.JoinHostPort("localhost", strconv.Itoa(port))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			return pages, "", release, fmt.Errorf("port %d cannot be used (hint: choose others with: make demo PORT=4000): %w", port, err)
		}
		listeners, addrs = append(listeners, l), append(addrs, addr)
	}
	return [2]string(addrs), addrs[2], release, nil
}

// unusedAddr returns a loopback address with a free port. The attestation
// service's port is part of its name, so it must be known before the service
// starts.
func unusedAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort("localhost", port), errors.Join(err, l.Close())
}
