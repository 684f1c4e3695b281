package producer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/producer"
)

// Without this a message could be skipped, repeated or reordered, and nobody would notice.
func TestProducerCount(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 3)
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

// Without this one long line would end `tail -f app.log | produce -stdin`, or be dropped silently.
func TestProducerStdin(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
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

// Without this messages would be lost when a pod is stopped.
func TestProducerFlushesWhenStopped(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	in, feed := io.Pipe()
	defer closing(t, feed) // until then a read blocks, as on a terminal
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

// Without this the producer could not start before Kafka, and would lose messages while Kafka restarts.
func TestProducerWaitsForKafka(t *testing.T) {
	t.Parallel()
	port := harness.FreePort(t)
	b := newProducerEnv(t, 0)
	b.addr = fmt.Sprintf("127.0.0.1:%d", port)
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, producerTopic), kfake.DataDir(t.TempDir()), kfake.SyncWrites()}
	cfg := b.config()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
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
	waitForLog(t, b.log, "not writing to Kafka")
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

// Without this Ctrl-C would do nothing while Kafka is unreachable.
func TestProducerStopsWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 0)
	b.addr = harness.FreeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	sum, err := b.run(ctx, b.config(), nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantSummary(t, sum, 0, 0, 0)
}

// Without this an interrupted producer would report that everything was delivered.
func TestProducerSaysWhatWasNotAcknowledged(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
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

// Without this a broker that refuses idempotent writes, as some managed ones do, could not be used at all.
func TestProducerWithoutIdempotence(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
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

// Without this a script could not tell a delivered message from a lost one, or a typo from an outage.
func TestProduceExitStatus(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	program := harness.Build(t, "produce")
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
		"keys":             {nil, "k=a\nk=b", []string{"-stdin", "-key-separator", "="}, 0, `"sent":2,"acknowledged":2,"failed":0`},
		"keys of no lines": {[]string{"COUNT=1"}, "", []string{"-key-separator", "="}, 2, "-key-separator: needs -stdin"},
		"keys twice":       {[]string{"KEY=canary"}, "a=b", []string{"-stdin", "-key-separator", "="}, 2, "KEY: is set"},
		"no separator":     {nil, "", []string{"-stdin", "-key-separator", ""}, 2, ""},
		"quoted address":   {[]string{`BROKERS="canary:9092"`}, "", nil, 2, "BROKERS: address 1 of 1"},
		"two addresses":    {[]string{"BROKERS=canary:1;canary:2"}, "", nil, 2, "BROKERS: address 1 of 1"},
		"no port":          {[]string{"BROKERS=canary:"}, "", nil, 2, "BROKERS: address 1 of 1"},
		"port too high":    {[]string{"BROKERS=canary:99999"}, "", nil, 2, "BROKERS: address 1 of 1"},
		"line break":       {[]string{"BROKERS=" + b.addr + "\r\n", "COUNT=1"}, "", nil, 0, `"acknowledged":1`},
		"set to nothing":   {[]string{"RATE=", "RESTDURATION=", "MSG=", "COUNT=1", "EVENTHUB=canary"}, "", nil, 0, `"acknowledged":1`},
		"bad flag":         {nil, "", []string{"-nonsense"}, 2, ""},
	} {
		cmd := exec.CommandContext(t.Context(), program, test.args...)
		cmd.Env, cmd.Stdin = append(base, test.env...), strings.NewReader(test.in)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != test.code {
			t.Errorf("%s: %v, want exit status %d\n%s", name, err, test.code, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		// With status 1 or 2 the error is the last line, after the counts.
		if last := strings.Join(lines[max(0, len(lines)-2):], "\n"); !strings.Contains(last, test.last) || strings.Contains(string(out), "canary") {
			t.Errorf("%s: want %s at the end, and no value, in\n%s", name, test.last, out)
		}
	}

	cmd := exec.CommandContext(t.Context(), program)
	log := new(harness.LogBuffer)
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
