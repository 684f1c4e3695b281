// Package harness starts what the tests of the built programs need: brokers, sidecars, keys, both programs, a lab, an
// emulated cloud. Every log, page and metric that it reads is checked for the private keys that the tests made, so take
// every key from [NewKey], [NewECKey] or [NewSender]. Tests in several packages run side by side: take ports from
// [FreeAddr], and start real Kafka with [kafka-e2ee/e2e/harness/realkafka].
//
// Tests run in their package's folder, two below the repository's root.
package harness

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// Names and limits of the tests.
const (
	Topic   = "kafka-demo-topic"
	KeyName = "kafka-encryption-demo"
	// Timeout allows for a slow machine. A test that passes never waits so long.
	Timeout = 2 * time.Minute
	// NoSidecar is an address at which no sidecar listens.
	NoSidecar = "http://127.0.0.1:9"
)

// Eventually polls until the condition holds, for ten minutes at most: recovery from faults takes time.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !poll(10*time.Minute, 50*time.Millisecond, holds) {
		t.Fatalf("timed out waiting until %s", what)
	}
}

func poll(timeout, interval time.Duration, holds func() bool) bool {
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(interval) {
		if holds() {
			return true
		}
	}
	return false
}

// LogBuffer is a log that several goroutines may write to.
type LogBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
