package interop_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// example is a program in examples/. All take the same settings, and an argument "produce" or "consume".
type example struct {
	needs    []harness.Requirement
	build    func(t *testing.T) (command []string) // without the argument
	envelope bool                                  // it reads the format envelope
	lean     bool                                  // it reads lean records
	signs    bool                                  // it signs its records
}

func examples() map[string]example {
	return map[string]example{
		"go-franz": {build: buildGo, envelope: true, lean: true, signs: true},
		"java":     {needs: []harness.Requirement{harness.Maven}, build: buildJava, envelope: true},
		"python":   {needs: []harness.Requirement{harness.PythonVenv}, build: buildPython},
		"node":     {needs: []harness.Requirement{harness.Node}, build: buildNode},
		"shell":    {needs: []harness.Requirement{harness.Kcat}, build: buildShell, envelope: true, lean: true, signs: true},
	}
}

// Without this, somebody who starts from an example could find that it does not work with our programs, that it stops at a bad
// record, or that it takes a record of another topic.
func TestExamples(t *testing.T) {
	kafka := realkafka.Start(t, 0)
	for name, e := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Require(t, e.needs...)
			testExample(t, kafka, "example-"+name, e, e.build(t))
		})
	}
}

func testExample(t *testing.T, kafka *realkafka.Kafka, topic string, e example, command []string) {
	t.Helper()
	if err := harness.Admin(t, kafka).CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
	keys := harness.NewKeys(t)
	settings := exampleSettings(t, kafka, topic, keys)

	// What our programs write, behind records that nobody must take for messages.
	writeBad(t, kafka, topic, keys)
	headers := "HEADER_RECORDS=1" // as programs other than ours require
	if e.lean {
		headers = "HEADER_RECORDS=64"
	}
	for _, format := range harness.SealedFormats {
		lines := fmt.Sprintf("from ours as %[1]s, é\nsecond as %[1]s\nthird as %[1]s\n", format)
		harness.StartProducer(t, kafka, keys.Public, strings.NewReader(lines),
			"TOPIC="+topic, "FORMAT="+string(format), "SIGNING_KEY_FILE="+keys.Signing, headers).WaitExit()
	}
	writeLean(t, kafka, topic, keys)
	reader := startExample(t, append(command, "consume"), settings)
	for text, reads := range map[string]bool{
		"from ours as jwe, é": true, "third as jwe": true, "from ours as envelope, é": e.envelope, "third as envelope": e.envelope,
		"full, from ours": e.envelope, "lean, from ours": e.lean,
	} {
		if reads {
			reader.wait(text)
		}
	}

	// What it writes, for our program and for itself.
	pod, _ := harness.StartConsumer(t, kafka, keys.Sidecar, "TOPIC="+topic, "CONSUMERGROUP=ours-"+topic, "TRUSTED_SENDERS_FILE="+keys.Trusted)
	text := "from the example, é"
	writer := startExample(t, append(command, "produce"), settings)
	writer.write(text)
	reader.wait(text)
	var record harness.Record
	pod.Wait("the example's record is decrypted", func() bool {
		records := pod.Records()
		i := slices.IndexFunc(records, func(r harness.Record) bool { return r.Value == text && r.State == "decrypted" })
		if i >= 0 {
			record = records[i]
		}
		return i >= 0
	})
	if want := map[bool]string{true: "verified", false: "unverified"}[e.signs]; record.Sender.State != want || len(record.Flags) > 0 {
		t.Errorf("our consumer shows the sender %s and the flags %v, want %s and none", record.Sender.State, record.Flags, want)
	}
	if strings.HasSuffix(topic, "go-franz") {
		rotate(t, settings, writer, reader)
	}
	writeForeign(t, kafka, topic, keys)
	reader.wait("message behind those for another key")
	for _, bad := range []string{"not encrypted", "of another topic", "for another key"} {
		if strings.Contains(reader.out.String(), "message "+bad) {
			t.Errorf("the message %s is taken: %s", bad, reader.out)
		}
	}
}

// Without this, a program made of the Go example would lose the messages behind the place where it stopped, until the next header.
func TestGoExampleGoesOnAtLeanRecords(t *testing.T) {
	kafka, keys := harness.Broker(t, 2), harness.NewKeys(t)
	writeLean(t, kafka, harness.Topic, keys)
	readOne(t, kafka, "example-go", harness.Topic) // the full record
	reader := startExample(t, append(buildGo(t), "consume"), exampleSettings(t, kafka, harness.Topic, keys))
	reader.wait("lean, from ours")
	if strings.Contains(reader.out.String(), "full, from ours") {
		t.Errorf("the example did not go on where its group was: %s", reader.out)
	}
}

// readOne lets a member of a group read the first record of a topic, and leave.
func readOne(t *testing.T, kafka harness.Cluster, group, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	records := client.PollRecords(ctx, 1).Records()
	if len(records) == 0 || records[0].Offset != 0 {
		t.Fatalf("the group read %v", records)
	}
	if err := client.CommitRecords(ctx, records...); err != nil {
		t.Fatal(err)
	}
}

// rotate replaces the key pair while both programs run.
func rotate(t *testing.T, settings map[string]string, writer, reader *program) {
	t.Helper()
	key := harness.NewKey(t)
	write(t, strings.Split(settings["PRIVATE_KEYS"], ",")[1], harness.PrivatePEM(t, key))
	write(t, settings["PUBLIC_KEY"], harness.PublicPEM(t, &key.PublicKey))
	writer.write("after the rotation")
	reader.wait("after the rotation")
}

// exampleSettings names two private keys, as during a rotation.
func exampleSettings(t *testing.T, kafka harness.Cluster, topic string, keys harness.Keys) map[string]string {
	t.Helper()
	dir := t.TempDir()
	public, private, other := filepath.Join(dir, "public.pem"), filepath.Join(dir, "private.pem"), filepath.Join(dir, "other.pem")
	write(t, public, keys.Public)
	write(t, private, harness.PrivatePEM(t, keys.Private))
	write(t, other, harness.PrivatePEM(t, harness.NewKeyOf(t, 2048)))
	return map[string]string{
		"BROKERS": kafka.ListenAddrs()[0], "TOPIC": topic, "PUBLIC_KEY": public, "PRIVATE_KEYS": private + "," + other,
		"SIGNING_KEY": keys.Signing, "SENDERS_FILE": keys.Trusted,
	}
}

// writeBad writes what no reader may take for a message, and a tombstone.
func writeBad(t *testing.T, kafka *realkafka.Kafka, topic string, keys harness.Keys) {
	t.Helper()
	messages := []*sarama.ProducerMessage{
		{Topic: topic, Value: sarama.StringEncoder("message not encrypted")},
		{Topic: topic, Value: sarama.StringEncoder("eyJ0b3BpYyI6InQifQ....")}, // a header without "alg" and "enc"
		{Topic: topic, Value: sarama.ByteEncoder{0xC1, 1, 200}},
		{Topic: topic},
	}
	for _, format := range harness.SealedFormats {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Value: sarama.ByteEncoder(harness.NewSealer(t, keys.Private, keys.Signing, format, "other")("message of another topic", 0)),
		})
	}
	harness.Send(t, kafka, messages)
}

// writeForeign writes records for a key that the reader lacks, and one behind them for its own.
func writeForeign(t *testing.T, kafka *realkafka.Kafka, topic string, keys harness.Keys) {
	t.Helper()
	foreign := harness.NewKeyOf(t, 2048)
	var messages []*sarama.ProducerMessage
	for _, format := range harness.SealedFormats {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Value: sarama.ByteEncoder(harness.NewSealer(t, foreign, keys.Signing, format, topic)("message for another key", 0)),
		})
	}
	last := harness.NewSealer(t, keys.Private, keys.Signing, envelope.FormatJWE, topic)("message behind those for another key", 0)
	harness.Send(t, kafka, append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(last)}))
}

// writeLean writes a full record and a lean one with its header.
func writeLean(t *testing.T, kafka harness.Cluster, topic string, keys harness.Keys) {
	t.Helper()
	signing, err := envelope.ParseSigningKey([]byte(read(t, keys.Signing)))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: topic, Readers: []*rsa.PublicKey{&keys.Private.PublicKey}, SigningKey: signing,
		Headers: envelope.HeaderPolicy{Records: 1024, Interval: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	var messages []*sarama.ProducerMessage
	for _, text := range []string{"full, from ours", "lean, from ours"} {
		value, err := sealer.Seal(nil, []byte(text), 1)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: 1, Value: sarama.ByteEncoder(value)})
	}
	harness.Send(t, kafka, messages)
}

// program is a running example.
type program struct {
	t        *testing.T
	in       io.Writer
	out, err *harness.LogBuffer
}

func startExample(t *testing.T, command []string, settings map[string]string) *program {
	t.Helper()
	p := &program{t: t, out: new(harness.LogBuffer), err: new(harness.LogBuffer)}
	cmd := exec.Command(command[0], command[1:]...)
	tools := filepath.Dir(harness.BuildCommand(t, "kafka-e2ee/envelope/cmd/envelope"))
	cmd.Env = []string{"PATH=" + tools + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PYTHONUTF8=1"}
	for name, value := range settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = p.out, p.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	stop := ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() //nolint:errcheck // it was killed
		harness.NoSecrets(t, "the output of an example", p.out.String()+p.err.String())
	})
	return p
}

// write gives the program a line, which it sends.
func (p *program) write(text string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, text); err != nil {
		p.t.Fatalf("%v: %s", err, p.err)
	}
}

// wait waits until the program has printed a message.
func (p *program) wait(text string) {
	p.t.Helper()
	for end := time.Now().Add(harness.Timeout); !strings.Contains(p.out.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the example did not print %q, but %q; errors: %s", text, p.out, p.err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a command of a build in a folder.
func run(t *testing.T, dir string, env []string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, bytes.TrimSpace(out))
	}
}
