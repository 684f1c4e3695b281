package e2e_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
)

// Without this the one command that everyone tries first would not tell the story.
func TestLabTellsTheStory(t *testing.T) {
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
		t.Run(string(format), func(t *testing.T) { labTellsTheStory(t, format) })
	}
}

func labTellsTheStory(t *testing.T, format envelope.Format) {
	port := twoFreePorts(t)
	lines, typed := io.Pipe()
	defer typed.Close()
	out := new(buffer)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lab.Run(ctx, lab.Config{Port: port, Format: format}, lines, out) }()

	confidential := &pod{t: t, page: "http://localhost:" + strconv.Itoa(port), log: out}
	ordinary := &pod{t: t, page: "http://localhost:" + strconv.Itoa(port+1), log: out}
	shows := func(p *pod, text string) func() bool {
		return func() bool {
			for _, r := range p.records() {
				if r.Value == text {
					return true
				}
			}
			return false
		}
	}
	confidential.wait("the first message is shown", shows(confidential, "Msg 1: Azure Confidential Computing"))
	if _, err := typed.Write([]byte("typed by hand\n")); err != nil {
		t.Fatal(err)
	}
	confidential.wait("a typed line is shown", shows(confidential, "typed by hand"))
	ordinary.wait("the ordinary pod has the same records", func() bool { return len(ordinary.records()) >= 2 })
	for _, r := range confidential.records() {
		if proven := r.Sender.State == "verified" && r.Sender.Name == "lab producer"; proven != (format != envelope.FormatRSA) || len(r.Flags) > 0 {
			t.Errorf("%q is from %+v, flags %v", r.Value, r.Sender, r.Flags)
		}
	}
	if !strings.Contains(out.String(), "format "+string(format)) {
		t.Errorf("the story does not name the format: %s", out)
	}
	for _, r := range ordinary.records() {
		if r.State != "no_key" || strings.Contains(r.Value, "Msg 1") {
			t.Errorf("the ordinary pod shows %q as %s", r.Value, r.State)
		}
	}
	for _, p := range []*pod{confidential, ordinary} {
		if !strings.Contains(string(p.get(p.page)), "emulated on this computer") {
			t.Error("the page does not say that this is a lab")
		}
	}

	// A second lab on the same ports must say what to do.
	if err := lab.Run(ctx, lab.Config{Port: port, Format: format}, lines, out); err == nil || !strings.Contains(err.Error(), "PORT=") {
		t.Errorf("ports in use: %v", err)
	}
	start := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the lab ended with: %v", err)
	}
	t.Logf("the lab ended in %v", time.Since(start))
}

func twoFreePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		_, text, err := net.SplitHostPort(freeAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(port+1))); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}
