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
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// Config says where the pages are.
type Config struct {
	Port int // of the confidential pod's page; the ordinary pod's is Port+1
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
	sidecar, err := startSidecar(ctx, key)
	if err != nil {
		return err
	}
	defer sidecar.Close() //nolint:errcheck // the process ends next

	kafka := kafkaconf.Settings{Brokers: broker.ListenAddrs()}
	fmt.Fprintf(out, story, pages[0], pages[1], kafka.Brokers[0], kafka.Brokers[0], topic, logFile.Name()) //nolint:errcheck // a closed terminal is not our failure

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
		return consumer.Run(ctx, pod(kafka, pages[0], sidecar.url, "confidential"), consumer.Build{Version: "lab"}, log)
	})
	run("ordinary pod", func(log *slog.Logger) error {
		return consumer.Run(ctx, pod(kafka, pages[1], nowhere, "ordinary"), consumer.Build{Version: "lab"}, log)
	})
	run("producer", func(log *slog.Logger) error { return produce(ctx, kafka, key, nil, log) })
	run("typed lines", func(log *slog.Logger) error { return produce(ctx, kafka, key, in, log) })
	<-ctx.Done()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

const story = `
  One message a second is encrypted, stored in Kafka, and read twice:

  confidential pod   http://%s   got the key: messages in plaintext
  ordinary pod       http://%s   same program, no sidecar: base64 ciphertext
  Kafka              %s         holds only ciphertext:
                     kcat -C -b %s -t %s

  Type a line and press Enter: it becomes a message too. Ctrl-C ends it all.
  Logs: %s

`

// nowhere is an address at which nothing listens: an ordinary pod has no sidecar.
const nowhere = "http://127.0.0.1:9"

// pod is the consumer's settings, the same in both pods but for the sidecar.
func pod(kafka kafkaconf.Settings, page, sidecar, group string) consumer.Config {
	return consumer.Config{
		Settings: kafka, Topic: topic, Group: group,
		KeyNames: keyName, MAAEndpoint: "attestation.lab.example", AKVEndpoint: "vault.lab.example", SkrURL: sidecar,
		WebAddr: page, WebHistory: 1000, WebNotice: notice,
	}
}

// produce sends a message a second, or with in one a line.
func produce(ctx context.Context, kafka kafkaconf.Settings, key *rsa.PrivateKey, in io.Reader, log *slog.Logger) error {
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding the public key: %w", err)
	}
	_, err = producer.Run(ctx, producer.Config{
		Settings: kafka, Topic: topic, Message: "Azure Confidential Computing",
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		Pace:      producer.Pace{Rate: 1, SendDuration: 1}, // a burst of one message in one second, and no rest
	}, producer.Build{Version: "lab"}, in, log)
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
