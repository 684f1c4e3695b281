// Package lab holds what a laptop lacks: a Kafka broker, and hardware, attestation
// service, vault and sidecar for the release of a key. Run puts them together
// with the programs, in one process, and tells the story.
//
// The programs are the real ones and encrypt for real. The release is decided
// for real, too, but about emulated hardware: nothing here protects anything.
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

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/lab/stage"
	"kafka-e2ee/producer"
)

// Config says where the pages are what the records look like, and what happens to the confidential pod.
type Config struct {
	Port     int             // of the confidential pod's page; the ordinary pod's is Port+1
	Format   envelope.Format // of the records
	Scenario string          // tampered, debug, no-role, late, rotate, throttled, ordinary; empty: all goes well; help: only lists them
	// After is the clock of what a scenario does later; nil means time.After.
	After func(time.Duration) <-chan time.Time
}

const (
	topic       = "kafka-demo-topic"
	akvEndpoint = "vault.lab.example"
	// nowhere is an address at which nothing listens: an ordinary pod has no sidecar.
	nowhere = "http://127.0.0.1:9"
	notice  = "Lab: hardware, attestation and vault are emulated on this computer."
)

// Run runs the demo until ctx ends, all of it in this process. Lines read from
// in become messages. What runs where is written to out; logs go to a file that
// out names.
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
	pages, free, err := holdPages(ctx, cfg.Port)
	defer free()
	if err != nil {
		return err
	}
	logFile, err := os.CreateTemp("", "kafka-e2ee-lab-*.log")
	if err != nil {
		return fmt.Errorf("creating the log file: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // a lost last log line harms no one
	log := slog.New(slog.NewJSONHandler(logFile, nil))

	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		return fmt.Errorf("starting the embedded broker: %w", err)
	}
	defer broker.Close()
	files, err := os.MkdirTemp("", "kafka-e2ee-lab-*")
	if err != nil {
		return fmt.Errorf("creating a folder for the pods' files: %w", err)
	}
	defer os.RemoveAll(files) //nolint:errcheck // they protect nothing
	sender, err := newSender(files, cfg.Format)
	if err != nil {
		return err
	}
	maa, err := unusedAddr(ctx)
	if err != nil {
		return err
	}
	cloud, err := stage.New(ctx, stage.Config{
		AttestationHost: maa, VaultHost: akvEndpoint, Listen: maa, Sidecar: "127.0.0.1:0", Files: files,
		Guest: plan.guest, Role: plan.role, Logger: log.With(slog.String("part", "cloud")),
	})
	if err != nil {
		return err
	}
	defer cloud.Close() //nolint:errcheck // the process ends next
	sidecar := cloud.Sidecar.URL()
	if plan.without {
		sidecar = nowhere
	}
	if plan.before != nil {
		if err := plan.before(ctx, cloud); err != nil {
			return err
		}
	}
	free()

	kafka := kafkaconf.Settings{Brokers: broker.ListenAddrs()}
	fmt.Fprintf(out, story, cfg.Format, pages[0], plan.about, sender.seen, pages[1], ciphertext(cfg.Format), kafka.Brokers[0], kafka.Brokers[0], topic, logFile.Name()) //nolint:errcheck // a closed terminal is not our failure

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
		Settings: kafka, Topic: topic, KeyNames: stage.KeyName, MAAEndpoint: maa, AKVEndpoint: akvEndpoint,
		AttestationCAFile: filepath.Join(files, stage.AuthorityFile), PolicyFile: filepath.Join(files, stage.PolicyFile), TrustedSendersFile: sender.trusted,
		WebHistory: 1000, UnpackedBytes: 16 << 20, WebNotice: notice,
	}
	for name, pod := range map[string]struct{ page, sidecar string }{"confidential": {pages[0], sidecar}, "ordinary": {pages[1], nowhere}} {
		cfg := pods // both are the same but for the sidecar
		cfg.WebAddr, cfg.SkrURL, cfg.Group = pod.page, pod.sidecar, name
		run(name+" pod", func(log *slog.Logger) error { return consumer.Run(ctx, cfg, consumer.Build{Version: "lab"}, log) })
	}
	producing := producer.Config{
		Settings: kafka, Topic: topic, Format: cfg.Format, Message: "Azure Confidential Computing",
		PublicKeyFile: filepath.Join(files, stage.PublicKeyFile), SigningKeyFile: sender.signing,
		Pace: producer.Pace{Rate: 1, SendDuration: 1}, // a burst of one message in one second, and no rest
	}
	for name, lines := range map[string]io.Reader{"producer": nil, "typed lines": in} {
		run(name, func(log *slog.Logger) error {
			_, err := producer.Run(ctx, producing, producer.Build{Version: "lab"}, lines, log)
			return err
		})
	}
	run("scenario", func(*slog.Logger) error { return plan.play(ctx, cloud, cfg.After) })
	<-ctx.Done()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

const story = `
  One message a second is encrypted (format %s), stored in Kafka, and read twice:

  confidential pod   http://%s   %s%s
  ordinary pod       http://%s   same program, no sidecar: %s
  Kafka              %s         holds only ciphertext:
                     kcat -C -b %s -t %s

  Type a line and press Enter: it becomes a message too. Ctrl-C ends it all.
  Logs: %s

`

func checkFormat(format envelope.Format) error {
	switch format {
	case envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE:
		return nil
	}
	return errors.New("the format is not known (hint: rsa, envelope, jwe)")
}

// ciphertext is what the records look like without a key.
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

// holdPages takes the ports of both pages before anything else starts, and keeps
// them until free is called: broker and cloud choose ports of their own.
func holdPages(ctx context.Context, port int) (addrs [2]string, free func(), err error) {
	var held []net.Listener
	free = func() {
		for _, l := range held {
			_ = l.Close() //nolint:errcheck // that of a page tells if it is still taken
		}
	}
	for i := range addrs {
		addrs[i] = net.JoinHostPort("localhost", strconv.Itoa(port+i))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addrs[i])
		if err != nil {
			return addrs, free, fmt.Errorf("port %d cannot be used (hint: choose two others with: make demo PORT=4000): %w", port+i, err)
		}
		held = append(held, l)
	}
	return addrs, free, nil
}

// unusedAddr is a loopback address at which nothing listens now. The attestation
// service's port is part of its name, so it must be known before.
func unusedAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort("localhost", port), errors.Join(err, l.Close())
}
