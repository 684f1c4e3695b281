package producer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// Without this a reader whose key was removed would read on for as long as nobody notices the typo that was made on the
// way, or messages would be lost while the producer waits for the file to be fixed.
func TestTypoInTheKeyFileStopsTheProducer(t *testing.T) {
	t.Parallel()
	b := newProducerEnv(t, 1)
	revoked := harness.NewKey(t)
	file := filepath.Join(t.TempDir(), "pubkey.pem")
	put := func(text string) {
		t.Helper()
		harness.ReplaceFile(t, file, text)
	}
	put(b.pem + harness.PublicPEM(t, &revoked.PublicKey))
	metrics := harness.FreeAddr(t)
	in, line, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	process := harness.Start(t, "produce", in, "BROKERS="+b.addr, "TOPIC="+producerTopic, "FORMAT=envelope",
		"PUBKEY_FILE="+file, "PUBKEY_GRACE=20s", "METRICS_ADDR="+metrics)
	closing(t, in)
	feed := func(from, to int) {
		for n := from; n <= to; n++ {
			if _, err := fmt.Fprintf(line, "Msg %d: canary%s\n", n, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	}
	feed(1, 10)
	waitForLog(t, process.Log, "connected")

	put(strings.Replace(b.pem, "BEGIN", "BEGINN", 1)) // without the revoked key, and with a typo
	waitForLog(t, process.Log, "cannot be used, sealing with the ones before")
	feed(11, 20)
	if got := missing(t, metrics); !strings.HasPrefix(got, "keys stale: PUBKEY_FILE: ") {
		t.Errorf("/readyz in the grace: %s", got)
	}
	waitForLog(t, process.Log, "cannot be used, sealing nothing")
	if got := missing(t, metrics); !strings.HasPrefix(got, "keys stopped: PUBKEY_FILE: ") {
		t.Errorf("/readyz after the grace: %s", got)
	}
	if got := metricsOf(t, metrics, "/metrics"); !strings.Contains(got, "\ne2ee_producer_keys_stale 1\n") {
		t.Error("e2ee_producer_keys_stale is not 1")
	}

	written := make(chan struct{})
	go func() {
		defer close(written)
		feed(21, 1000) // more than the pipe and the producer hold, so that the source has to wait
		closing(t, line)
	}()
	time.Sleep(3 * time.Second)
	select {
	case <-written:
		t.Error("the producer reads on although it seals nothing")
	default:
	}
	before := len(b.stored(t)[0])
	if before != 20 {
		t.Errorf("%d records before the file is fixed, want the 20 of before and within the grace", before)
	}
	if got := metricsOf(t, metrics, "/metrics"); !strings.Contains(got, "\ne2ee_producer_queue_records 0\n") {
		t.Error("records wait for Kafka although none is sealed")
	}

	put(b.pem)
	process.WaitExit()
	<-written
	got, _ := b.follow(t, b.opener(t))
	wantNumbered(t, got, 1000)
	var full []byte // the latest one
	for i, m := range b.stored(t)[0] {
		d, err := envelope.Describe(m.Value)
		if err == nil && d.Lean {
			if full, err = envelope.AddHeader(m.Value, full); err == nil {
				d, err = envelope.Describe(full)
			}
		} else {
			full = m.Value
		}
		if err != nil {
			t.Fatal(err)
		}
		if forRevoked := slices.Contains(d.Needs, envelope.KeyID(&revoked.PublicKey)); forRevoked != (i < before) {
			t.Errorf("record %d is for the revoked key: %t", i+1, forRevoked)
		}
	}
	if log := process.Log.String(); !strings.Contains(log, "sealing with the new ones") || strings.Contains(log, file) || strings.Contains(log, "canary") {
		t.Errorf("log: %s", log)
	}
}
