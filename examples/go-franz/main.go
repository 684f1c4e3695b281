// Command go-franz sends each line of its input as an encrypted record, or prints the messages of a topic. What a program of your own
// needs is in franz.go; this file reads the settings and keys.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/envelope"
)

func main() {
	commands := map[string]func(context.Context, []string, string) error{"produce": produceLines, "consume": consumeTopic}
	command := commands[strings.Join(os.Args[1:], " ")]
	if command == nil {
		fmt.Fprintln(os.Stderr, "want produce or consume")
		os.Exit(2)
	}
	if err := command(context.Background(), strings.Split(os.Getenv("BROKERS"), ","), os.Getenv("TOPIC")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// produceLines makes a new sealer when the file of the public key changes, which ends a rotation.
func produceLines(ctx context.Context, brokers []string, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AllowAutoTopicCreation())
	if err != nil {
		return err
	}
	defer client.Close()
	var sealer *envelope.Sealer
	var sealedFor []byte
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		public, err := os.ReadFile(os.Getenv("PUBLIC_KEY"))
		if err != nil {
			return err
		}
		if sealer == nil || !bytes.Equal(public, sealedFor) {
			if sealer, err = newSealer(topic, public); err != nil {
				return err
			}
			sealedFor = public
		}
		if err := produce(ctx, client, sealer, topic, 0, lines.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func newSealer(topic string, public []byte) (*envelope.Sealer, error) {
	readers, err := envelope.ParsePublicKeys(public)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(os.Getenv("SIGNING_KEY"))
	if err != nil {
		return nil, err
	}
	signing, err := envelope.ParseSigningKey(text)
	if err != nil {
		return nil, err
	}
	return envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: topic, Readers: readers, SigningKey: signing})
}

func consumeTopic(ctx context.Context, brokers []string, topic string) error {
	text, err := os.ReadFile(os.Getenv("SENDERS_FILE"))
	if err != nil {
		return err
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		return err
	}
	r, err := newReader(topic, senders, readBack(ctx, brokers, topic))
	if err != nil {
		return err
	}
	keys, err := privateKeys()
	if err != nil {
		return err
	}
	if err := r.SetKeys(keys...); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("example-go"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsRevoked(revoked(r, topic)), kgo.OnPartitionsLost(revoked(r, topic)))
	if err != nil {
		return err
	}
	defer client.Close()
	consume(ctx, client, r, privateKeys, func(line string) { fmt.Println(line) })
	return nil
}

// privateKeys reads the key files, in a rotation the old and the new one.
func privateKeys() (keys []*rsa.PrivateKey, err error) {
	for file := range strings.SplitSeq(os.Getenv("PRIVATE_KEYS"), ",") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key, err := envelope.ParsePrivateKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
