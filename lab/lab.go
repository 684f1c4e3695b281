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
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
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
	topic  = "kafka-demo-topic"
	notice = "Lab: hardware, attestation and vault are emulated on this computer."
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
	pages, err := pageAddrs(ctx, cfg.Port)
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
	stage, err := newStage(ctx, plan, files, log.With(slog.String("part", "cloud")))
	if err != nil {
		return err
	}
	defer stage.close()

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
		Settings: kafka, Topic: topic, MAAEndpoint: stage.maa, AKVEndpoint: akvEndpoint,
		AttestationCAFile: stage.roots, PolicyFile: stage.expected, TrustedSendersFile: sender.trusted,
		WebHistory: 1000, WebNotice: notice,
	}
	run("confidential pod", func(log *slog.Logger) error {
		return stage.restarting(ctx, func(ctx context.Context, key lock) error {
			return consumer.Run(ctx, pod(pods, pages[0], stage.url(), key.names, "confidential"), consumer.Build{Version: "lab"}, log)
		})
	})
	run("ordinary pod", func(log *slog.Logger) error {
		return consumer.Run(ctx, pod(pods, pages[1], nowhere, keyName, "ordinary"), consumer.Build{Version: "lab"}, log)
	})
	producing := producer.Config{
		Settings: kafka, Topic: topic, Format: cfg.Format, Message: "Azure Confidential Computing", SigningKeyFile: sender.signing,
		Pace: producer.Pace{Rate: 1, SendDuration: 1}, // a burst of one message in one second, and no rest
	}
	run("producer", func(log *slog.Logger) error {
		return stage.restarting(ctx, func(ctx context.Context, key lock) error { return produce(ctx, producing, key, nil, log) })
	})
	// Typed lines stay with the first key: a line that is being read must not be lost.
	run("typed lines", func(log *slog.Logger) error { return produce(ctx, producing, stage.current(), in, log) })
	run("scenario", func(*slog.Logger) error { return stage.play(ctx, cfg.After) })
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

// pod is a consumer's settings: both pods are the same but for the sidecar.
func pod(both consumer.Config, page, sidecar, keyNames, group string) consumer.Config {
	both.WebAddr, both.SkrURL, both.KeyNames, both.Group = page, sidecar, keyNames, group
	return both
}

// produce sends a message a second, or with in one a line.
func produce(ctx context.Context, cfg producer.Config, key lock, in io.Reader, log *slog.Logger) error {
	cfg.PublicKey = key.publicPEM
	_, err := producer.Run(ctx, cfg, producer.Build{Version: "lab"}, in, log)
	return err
}

// pageAddrs checks that both pages can be served before anything else starts.
func pageAddrs(ctx context.Context, port int) ([2]string, error) {
	var addrs [2]string
	for i := range addrs {
		addrs[i] = net.JoinHostPort("localhost", strconv.Itoa(port+i))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addrs[i])
		if err != nil {
			return addrs, fmt.Errorf("port %d cannot be used (hint: choose two others with: make demo PORT=4000): %w", port+i, err)
		}
		if err := l.Close(); err != nil {
			return addrs, fmt.Errorf("releasing port %d: %w", port+i, err)
		}
	}
	return addrs, nil
}
