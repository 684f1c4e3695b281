// Package lab holds what a laptop lacks: a Kafka broker and a key release. Run
// puts them together with the programs, in one process, and tells the story.
//
// The programs are the real ones and encrypt for real. Emulated are the
// hardware, the attestation and the vault: the sidecar hands the key to whoever
// asks. Nothing here protects anything.
package lab

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// Config says where the pages are, and what the records look like.
type Config struct {
	Port   int             // of the confidential pod's page; the ordinary pod's is Port+1
	Format envelope.Format // of the records
}

const (
	topic   = "kafka-demo-topic"
	keyName = "kafka-encryption-demo"
	keyBits = 3072
	notice  = "Lab: hardware, attestation and vault are emulated on this computer."
)

// Run runs the demo until ctx ends, all of it in this process. Lines read from
// in become messages. What runs where is written to out; logs go to a file that
// out names.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
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
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("making the key pair: %w", err)
	}
	files, err := os.MkdirTemp("", "kafka-e2ee-lab-*")
	if err != nil {
		return fmt.Errorf("creating a folder for the sender's keys: %w", err)
	}
	defer os.RemoveAll(files) //nolint:errcheck // they protect nothing
	sender, err := newSender(files, cfg.Format)
	if err != nil {
		return err
	}
	sidecar, err := startSidecar(ctx, key)
	if err != nil {
		return err
	}
	defer sidecar.Close() //nolint:errcheck // the process ends next

	kafka := kafkaconf.Settings{Brokers: broker.ListenAddrs()}
	fmt.Fprintf(out, story, cfg.Format, pages[0], sender.seen, pages[1], ciphertext(cfg.Format), kafka.Brokers[0], kafka.Brokers[0], topic, logFile.Name()) //nolint:errcheck // a closed terminal is not our failure

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
	run("confidential pod", func(log *slog.Logger) error {
		return consumer.Run(ctx, pod(kafka, pages[0], sidecar.url, "confidential", sender), consumer.Build{Version: "lab"}, log)
	})
	run("ordinary pod", func(log *slog.Logger) error {
		return consumer.Run(ctx, pod(kafka, pages[1], nowhere, "ordinary", sender), consumer.Build{Version: "lab"}, log)
	})
	producing, err := producerConfig(kafka, key, cfg.Format, sender)
	if err != nil {
		return err
	}
	for name, lines := range map[string]io.Reader{"producer": nil, "typed lines": in} {
		run(name, func(log *slog.Logger) error {
			_, err := producer.Run(ctx, producing, producer.Build{Version: "lab"}, lines, log)
			return err
		})
	}
	<-ctx.Done()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

const story = `
  One message a second is encrypted (format %s), stored in Kafka, and read twice:

  confidential pod   http://%s   got the key: messages in plaintext%s
  ordinary pod       http://%s   same program, no sidecar: %s
  Kafka              %s         holds only ciphertext:
                     kcat -C -b %s -t %s

  Type a line and press Enter: it becomes a message too. Ctrl-C ends it all.
  Logs: %s

`

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

// nowhere is an address at which nothing listens: an ordinary pod has no sidecar.
const nowhere = "http://127.0.0.1:9"

// pod is the consumer's settings, the same in both pods but for the sidecar.
func pod(kafka kafkaconf.Settings, page, sidecar, group string, sender sender) consumer.Config {
	return consumer.Config{
		Settings: kafka, Topic: topic, Group: group,
		KeyNames: keyName, MAAEndpoint: "attestation.lab.example", AKVEndpoint: "vault.lab.example", SkrURL: sidecar, TrustedSendersFile: sender.trusted,
		WebAddr: page, WebHistory: 1000, WebNotice: notice,
	}
}

// producerConfig is the producer's settings: a message a second, where it does not read lines.
func producerConfig(kafka kafkaconf.Settings, key *rsa.PrivateKey, format envelope.Format, sender sender) (producer.Config, error) {
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return producer.Config{}, fmt.Errorf("encoding the public key: %w", err)
	}
	return producer.Config{
		Settings: kafka, Topic: topic, Format: format, Message: "Azure Confidential Computing",
		PublicKey:      string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		SigningKeyFile: sender.signing,
		Pace:           producer.Pace{Rate: 1, SendDuration: 1}, // a burst of one message in one second, and no rest
	}, nil
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

// sidecar is the stand-in for key release on a loopback port.
type sidecar struct {
	*http.Server
	url string
}

func startSidecar(ctx context.Context, key *rsa.PrivateKey) (*sidecar, error) {
	handler, err := skrtest.New(map[string]*rsa.PrivateKey{keyName: key})
	if err != nil {
		return nil, fmt.Errorf("starting the key-release stand-in: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the key-release stand-in: %w", err)
	}
	s := &sidecar{url: "http://" + l.Addr().String(), Server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second,
	}}
	go s.Serve(l) //nolint:errcheck // returns when it is closed
	return s, nil
}
