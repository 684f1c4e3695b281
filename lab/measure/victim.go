package measure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/producer"
)

// defence is one way to protect records, whose effect on attacks is measured.
type defence struct {
	name   string
	topic  string
	format envelope.Format
	strict bool // records are signed, and the pod rejects what proves too little
}

func defences() []defence {
	return []defence{
		{"rsa", "rsa", envelope.FormatRSA, false},
		{"envelope", "envelope", envelope.FormatEnvelope, false},
		{"envelope, signed, strict policy", "strict", envelope.FormatEnvelope, true},
	}
}

// victim is a producer and a pod that holds the key, on a topic of their own.
type victim struct {
	target attacks.Target
	env    *env.Environment
	stop   func() error // ends them; its error is why they ended before
}

// newVictim starts the producer and the pod. The topic must exist.
func newVictim(ctx context.Context, brokers []string, d defence, log *slog.Logger) (*victim, error) {
	dir, err := os.MkdirTemp("", "kafka-e2ee-attacks-*")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for the pod's files: %w", err)
	}
	v, err := startVictim(ctx, dir, brokers, d, log)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	end := v.stop
	v.stop = func() error { return errors.Join(end(), os.RemoveAll(dir)) }
	return v, nil
}

func startVictim(ctx context.Context, dir string, brokers []string, d defence, log *slog.Logger) (*victim, error) {
	maa, err := env.UnusedAddr(ctx)
	if err != nil {
		return nil, err
	}
	addr, err := env.UnusedAddr(ctx)
	if err != nil {
		return nil, err
	}
	var from env.Sender
	if d.strict {
		if from, err = env.NewSender(dir, env.SigningKeyFile, env.SenderName); err != nil {
			return nil, err
		}
	}
	environment, err := env.New(ctx, env.Config{
		AttestationHost: maa, VaultHost: env.VaultHost, Listen: maa, SidecarAddr: "127.0.0.1:0", PublicDir: dir, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	kafka := kafkaconf.Settings{Brokers: brokers}
	pod := consumer.Config{
		Settings: kafka, Topic: d.topic, TrustedSenders: from.Trusted, Group: d.topic,
		Keys: keys.Settings{
			Names: env.KeyName, MAAEndpoint: maa, AKVEndpoint: env.VaultHost, SkrURL: environment.Sidecar.URL(),
			AttestationCAFile: filepath.Join(dir, env.AuthorityFile), PolicyFile: filepath.Join(dir, env.PolicyFile),
		},
		WebHistory: 1000, UnpackedBytes: 16 << 20,
	}
	pod.Access.Addr = addr
	if d.strict {
		formats.RequireProof(&pod, environment.KeyIDs())
	}
	producing := producer.Config{
		Settings: kafka, Topic: d.topic, Format: d.format, Message: "Azure Confidential Computing",
		PublicKeyFile: filepath.Join(dir, env.PublicKeyFile), SigningKeyFile: from.SigningKeyFile,
		Pace:    producer.Pace{Rate: 5, SendDuration: 1},                          // five messages a second, without rests
		Headers: producer.Headers{HeaderRecords: 64, HeaderInterval: time.Second}, // the program's defaults: most records are lean
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	run := func(name string, part func(*slog.Logger) error) {
		parts.Go(func() {
			if err := part(log.With(slog.String("part", name))); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	run("pod", func(log *slog.Logger) error { return consumer.Run(ctx, pod, consumer.Build{Version: "lab"}, log) })
	run("producer", func(log *slog.Logger) error {
		_, err := producer.Run(ctx, producing, producer.Build{Version: "lab"}, nil, log)
		return err
	})
	return &victim{
		target: attacks.Target{Brokers: brokers, Topic: d.topic, PublicKeyFile: producing.PublicKeyFile, Pod: podapi.New(addr, addr)},
		env:    environment,
		stop: func() error {
			cancel(nil)
			parts.Wait()
			cause := context.Cause(ctx)
			if errors.Is(cause, context.Canceled) {
				cause = nil
			}
			return errors.Join(cause, environment.Close())
		},
	}, nil
}
