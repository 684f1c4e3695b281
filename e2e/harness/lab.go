package harness

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
)

// Names in the emulated cloud.
const (
	AttestationHost = "attestation.lab.example"
	VaultHost       = "vault.lab.example"
)

// MeasuredPolicy is the security policy of the emulated cloud's guest.
const MeasuredPolicy = "package agent_policy\ndefault AllowRequestsFailingPolicy := false\n"

// StartCloud starts the emulated cloud with a vault of that name.
func StartCloud(t *testing.T, vaultHost string) *cloud.Cloud {
	t.Helper()
	c, err := cloud.New(cloud.Config{
		AttestationHost: AttestationHost, VaultHost: vaultHost, Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Lab is a running lab, whose planned events happen when the test says so.
type Lab struct {
	Confidential *Pod
	Ordinary     *Pod
	Console      string // URL of the presenter's page
	Attested     string // HOST:PORT of the confidential pod's attested address
	events       chan time.Time
	output       *LogBuffer
	typed        io.Writer
}

// StartLab starts a lab with one scenario, and with a broker of its own.
func StartLab(t *testing.T, scenario string, format envelope.Format) *Lab {
	t.Helper()
	return StartLabOn(t, "", scenario, format)
}

// StartLabOn starts a lab on a running broker.
func StartLabOn(t *testing.T, broker, scenario string, format envelope.Format) *Lab {
	t.Helper()
	port, output := LabPort(t), new(LogBuffer)
	pod := func(port int) *Pod {
		return &Pod{T: t, Page: "http://localhost:" + strconv.Itoa(port), Log: output}
	}
	l := &Lab{Confidential: pod(port), Ordinary: pod(port + 1), Console: "http://localhost:" + strconv.Itoa(port+2), Attested: "localhost:" + strconv.Itoa(port+10), events: make(chan time.Time), output: output}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	lines, typed := io.Pipe()
	l.typed = typed
	go func() {
		done <- lab.Run(ctx, lab.Config{Port: port, Broker: broker, Format: string(format), Scenario: scenario, After: func(time.Duration) <-chan time.Time { return l.events }}, lines, output)
	}()
	t.Cleanup(func() {
		cancel()
		typed.Close()
		if err := <-done; err != nil {
			t.Errorf("the lab ended with: %v", err)
		}
		l.checkLog(t)
	})
	return l
}

// checkLog checks the log's file for keys and tokens, and removes it.
func (l *Lab) checkLog(t *testing.T) {
	t.Helper()
	_, rest, found := strings.Cut(l.output.String(), "Logs: ")
	file, _, _ := strings.Cut(rest, "\n")
	text, err := os.ReadFile(file)
	if !found || err != nil || len(text) == 0 {
		t.Errorf("the log cannot be read: %v", err)
	}
	NoSecrets(t, "the lab's log", string(text))
	if strings.Contains(string(text), "-----BEGIN") {
		t.Error("the lab's log holds a key")
	}
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
}

// Type types a line into the lab's terminal.
func (l *Lab) Type(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(l.typed, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// Output returns what the lab has printed.
func (l *Lab) Output() string { return l.output.String() }

// NextEvent makes the scenario's next planned event happen.
func (l *Lab) NextEvent(t *testing.T) {
	t.Helper()
	select {
	case l.events <- time.Now():
	case <-time.After(Timeout):
		t.Fatal("the scenario plans nothing")
	}
}
