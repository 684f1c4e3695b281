package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const producerTopic = "produced"

type producerBench struct {
	key    *rsa.PrivateKey
	pem    string
	broker *kfake.Cluster
	addr   string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newProducerBench(t *testing.T, partitions int32) *producerBench {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b := &producerBench{key: key, log: &lockedBuffer{}, pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	if partitions > 0 {
		b.start(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, producerTopic))
	}
	return b
}

func (b *producerBench) start(t *testing.T, opts ...kfake.Opt) {
	t.Helper()
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b.broker, b.addr = cluster, cluster.ListenAddrs()[0]
}

func (b *producerBench) config() producer.Config {
	return producer.Config{Settings: kafkaconf.Settings{Brokers: []string{b.addr}}, Topic: producerTopic, Format: envelope.FormatRSA, PublicKey: b.pem, Message: "canary"}
}

func (b *producerBench) run(ctx context.Context, cfg producer.Config, in io.Reader) (producer.Summary, error) {
	return producer.Run(ctx, cfg, producer.Build{Version: "test"}, in, slog.New(slog.NewJSONHandler(b.log, nil)))
}

// stored reads what Kafka holds, partition by partition.
func (b *producerBench) stored(t *testing.T) [][]*sarama.ConsumerMessage {
	t.Helper()
	client, err := sarama.NewClient([]string{b.addr}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, client)
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, consumer)
	partitions, err := client.Partitions(producerTopic)
	if err != nil {
		t.Fatal(err)
	}
	all := make([][]*sarama.ConsumerMessage, len(partitions))
	for i, partition := range partitions {
		end, err := client.GetOffset(producerTopic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		pc, err := consumer.ConsumePartition(producerTopic, partition, 0)
		if err != nil {
			t.Fatal(err)
		}
		for m := range pc.Messages() {
			if len(m.Key) > 0 || len(m.Headers) > 0 {
				t.Fatalf("offset %d: key %q, %d headers", m.Offset, m.Key, len(m.Headers))
			}
			all[i] = append(all[i], m)
			if m.Offset == end-1 {
				break
			}
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// decrypted is the same with records of the format rsa, decrypted without any code of the project.
func (b *producerBench) decrypted(t *testing.T) [][]string {
	t.Helper()
	stored := b.stored(t)
	all := make([][]string, len(stored))
	for i, records := range stored {
		for _, m := range records {
			ciphertext, err := base64.StdEncoding.Strict().DecodeString(string(m.Value))
			if err != nil {
				t.Fatal(err)
			}
			text, err := rsa.DecryptOAEP(sha256.New(), nil, b.key, ciphertext, nil)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = append(all[i], string(text))
		}
	}
	return all
}

// wantNumbered checks that Msg 1 to Msg n are there once each, and rise within each partition.
func wantNumbered(t *testing.T, got [][]string, n int) {
	t.Helper()
	seen := make(map[int]bool)
	for partition, texts := range got {
		last := 0
		for _, text := range texts {
			var number int
			if _, err := fmt.Sscanf(text, "Msg %d: canary", &number); err != nil || seen[number] || number <= last {
				t.Fatalf("partition %d: %q after Msg %d: %v", partition, text, last, err)
			}
			seen[number], last = true, number
		}
	}
	if len(seen) != n || n > 0 && (!seen[1] || !seen[n]) {
		t.Fatalf("%d messages, want Msg 1 to Msg %d", len(seen), n)
	}
}

func wantSummary(t *testing.T, got producer.Summary, sent, acknowledged, failed uint64) {
	t.Helper()
	if want := (producer.Summary{Sent: sent, Acknowledged: acknowledged, Failed: failed}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// Without it a message is skipped, repeated or out of order, and nobody notices.
func TestProducerCount(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 3)
	cfg := b.config()
	cfg.Count = 500
	sum, err := b.run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, sum, 500, 500, 0)
	wantNumbered(t, b.decrypted(t), 500)
	if log := b.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"idempotent":true`) {
		t.Errorf("log: %s", log)
	}
}

// Without it one long line ends `tail -f app.log | produce -stdin`, or is dropped without a word.
func TestProducerStdin(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 1)
	in := io.MultiReader(strings.NewReader("first\n"), strings.NewReader(strings.Repeat("canary", 1<<20)), strings.NewReader("\n\nlast, without newline"))
	sum, err := b.run(t.Context(), b.config(), in)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Fatalf("a failed line must be an error: %v", err)
	}
	wantSummary(t, sum, 3, 3, 1)
	if got := strings.Join(b.decrypted(t)[0], "|"); got != "first||last, without newline" {
		t.Fatalf("got %q", got)
	}
	if log := b.log.String(); !strings.Contains(log, `"line":2`) || strings.Contains(log, "canary") || strings.Contains(log, "first") {
		t.Errorf("log: %s", log)
	}
}

// Without it messages are lost when a pod is stopped.
func TestProducerFlushesWhenStopped(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, feed := io.Pipe()
	defer closing(t, feed) // until then a read hangs, as on a terminal
	go func() {
		writeNumbered(t, feed, 1, 50)
		time.Sleep(100 * time.Millisecond)
		cancel()
	}()
	sum, err := b.run(ctx, b.config(), in)
	if err != nil || sum.Sent == 0 || sum.Sent != sum.Acknowledged {
		t.Fatalf("%+v, %v", sum, err)
	}
	wantNumbered(t, b.decrypted(t), int(sum.Sent))
}

// Without it the producer has to be started after Kafka, or loses what it sends while Kafka restarts.
func TestProducerWaitsForKafka(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	b := newProducerBench(t, 0)
	b.addr = fmt.Sprintf("127.0.0.1:%d", port)
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, producerTopic), kfake.DataDir(t.TempDir()), kfake.SyncWrites()}
	cfg := b.config()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, feed := io.Pipe()
	type outcome struct {
		producer.Summary
		error
	}
	ended := make(chan outcome, 1)
	go func() {
		sum, err := b.run(ctx, cfg, in)
		ended <- outcome{sum, err}
	}()
	waitForLog(t, b.log, "Kafka is not ready")
	b.start(t, opts...)
	writeNumbered(t, feed, 1, 100)
	waitForLog(t, b.log, "connected")
	b.broker.Close()
	writeNumbered(t, feed, 101, 200)
	waitForLog(t, b.log, "Kafka is away")
	b.start(t, opts...)
	writeNumbered(t, feed, 201, 300)
	closing(t, feed)
	got := <-ended
	if got.error != nil {
		t.Fatal(got.error, b.log)
	}
	wantSummary(t, got.Summary, 300, 300, 0)
	wantNumbered(t, b.decrypted(t), 300)
}

// Without it Ctrl-C does nothing while Kafka is away.
func TestProducerStopsWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 0)
	b.addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	sum, err := b.run(ctx, b.config(), nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantSummary(t, sum, 0, 0, 0)
}

// Without it the last words of a producer that was cut off claim that all is well.
func TestProducerSaysWhatWasNotAcknowledged(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 1)
	cfg := b.config()
	cfg.Count = 3
	ctx, cancel := context.WithCancel(t.Context())
	b.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		cancel()
		return nil, errors.New("gone"), true
	})
	sum, err := b.run(ctx, cfg, nil)
	if err == nil || sum.Failed == 0 || sum.Failed != sum.Sent-sum.Acknowledged {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// Without it a broker that grants no idempotent writes, as some managed ones, cannot be used at all.
func TestProducerWithoutIdempotence(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 1)
	b.broker.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.SetVersion(req.GetVersion())
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil, true
	})
	cfg := b.config()
	cfg.Count = 5
	sum, err := b.run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, sum, 5, 5, 0)
	if n := strings.Count(b.log.String(), "refuses idempotent"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, b.log)
	}
	wantNumbered(t, b.decrypted(t), 5)
}

// Without it a script cannot tell a delivered message from a lost one, or a typo from an outage.
func TestProduceExitStatus(t *testing.T) {
	t.Parallel()
	b := newProducerBench(t, 1)
	program := filepath.Join(t.TempDir(), "produce")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "kafka-e2ee/cmd/produce").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	base := []string{"PUBKEY=" + b.pem, "BROKERS=" + b.addr, "TOPIC=" + producerTopic, "METRICS_ADDR=", "MSG=canary"}
	for name, test := range map[string]struct {
		env  []string
		in   string
		args []string
		code int
		last string
	}{
		"all acknowledged": {[]string{"COUNT=2"}, "", nil, 0, `"sent":2,"acknowledged":2,"failed":0`},
		"lines":            {nil, "a\nb", []string{"-stdin"}, 0, `"sent":2,"acknowledged":2,"failed":0`},
		"line too long":    {nil, strings.Repeat("x", 191) + "\nb\n", []string{"-stdin"}, 1, `"sent":1,"acknowledged":1,"failed":1`},
		"bad settings":     {[]string{"RATE=canary", "COUNT=canary"}, "", nil, 2, "COUNT"},
		"bad address":      {[]string{"METRICS_ADDR=canary", "COUNT=canary"}, "", nil, 2, "METRICS_ADDR"},
		"an argument":      {nil, "", []string{"stdin", "canary"}, 2, "arguments: got 2"},
		"bad flag":         {nil, "", []string{"-nonsense"}, 2, ""},
	} {
		cmd := exec.CommandContext(t.Context(), program, test.args...)
		cmd.Env, cmd.Stdin = append(base, test.env...), strings.NewReader(test.in)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != test.code {
			t.Errorf("%s: %v, want exit status %d\n%s", name, err, test.code, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, test.last) || strings.Contains(string(out), "canary") {
			t.Errorf("%s: want %s at the end, and no value, in\n%s", name, test.last, out)
		}
	}

	cmd := exec.CommandContext(t.Context(), program)
	log := &lockedBuffer{}
	cmd.Env, cmd.Stderr = append(base, "RATE=1000"), log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, log, "connected")
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log)
	}
	if !strings.Contains(log.String(), `"msg":"finished"`) {
		t.Errorf("no last line: %s", log)
	}
}

// writeNumbered ends early once nobody reads any more.
func writeNumbered(t *testing.T, w io.Writer, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if _, err := fmt.Fprintf(w, "Msg %d: canary\n", n); err != nil {
			return
		}
	}
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func waitForLog(t *testing.T, log *lockedBuffer, text string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("%q never came: %s", text, log)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, l)
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(l.Addr())
	}
	return addr.Port
}
