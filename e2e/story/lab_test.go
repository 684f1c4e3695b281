package story_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
)

// Without this the command that everyone tries first could fail to tell the story.
func TestLabTellsTheStory(t *testing.T) {
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
		t.Run(string(format), func(t *testing.T) { labTellsTheStory(t, format) })
	}
}

func labTellsTheStory(t *testing.T, format envelope.Format) {
	port := harness.LabPort(t)
	lines, typed := io.Pipe()
	defer typed.Close()
	out := new(harness.LogBuffer)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lab.Run(ctx, lab.Config{Port: port, Format: string(format)}, lines, out) }()

	confidential := &harness.Pod{T: t, Page: "http://localhost:" + strconv.Itoa(port), Log: out}
	ordinary := &harness.Pod{T: t, Page: "http://localhost:" + strconv.Itoa(port+1), Log: out}
	shows := func(p *harness.Pod, text string) func() bool {
		return func() bool {
			for _, r := range p.Records() {
				if r.Value == text {
					return true
				}
			}
			return false
		}
	}
	confidential.Wait("the first message is shown", shows(confidential, "Msg 1: Azure Confidential Computing"))
	if _, err := typed.Write([]byte("typed by hand\n")); err != nil {
		t.Fatal(err)
	}
	confidential.Wait("a typed line is shown", shows(confidential, "typed by hand"))
	// Each typed line becomes a message, or the terminal says which one does not, and why.
	if _, err := io.WriteString(typed, strings.Repeat("長", 400_000)+"\n"); err != nil {
		t.Fatal(err)
	}
	confidential.Wait("the terminal says that a line is too long", func() bool {
		said := out.String()
		return strings.Contains(said, "line: 2, ") && strings.Contains(said, "1200000 bytes, longer than the ") && strings.Contains(said, "hint: ")
	})
	ordinary.Wait("the ordinary pod has the same records", func() bool { return len(ordinary.Records()) >= 2 })
	for _, r := range confidential.Records() {
		if proven := r.Sender.State == "verified" && r.Sender.Name == "lab producer"; proven != (format != envelope.FormatRSA) || len(r.Flags) > 0 {
			t.Errorf("%q is from %+v, flags %v", r.Value, r.Sender, r.Flags)
		}
	}
	if !strings.Contains(out.String(), "format "+string(format)) {
		t.Errorf("the story does not name the format: %s", out)
	}
	for _, r := range ordinary.Records() {
		if r.State != "no_key" || strings.Contains(r.Value, "Msg 1") {
			t.Errorf("the ordinary pod shows %q as %s", r.Value, r.State)
		}
	}
	for _, p := range []*harness.Pod{confidential, ordinary} {
		if !strings.Contains(string(p.Get(p.Page)), "emulated on this computer") {
			t.Error("the page does not say that this is a lab")
		}
		if got := asHost(t, p.Page, "rebound.example"); got != http.StatusMisdirectedRequest {
			t.Errorf("a name of another site that leads here (DNS rebinding) gets %d, want 421", got)
		}
	}

	// A second lab on the same ports must say what to do.
	if err := lab.Run(ctx, lab.Config{Port: port, Format: string(format)}, lines, out); err == nil || !strings.Contains(err.Error(), "PORT=") {
		t.Errorf("ports in use: %v", err)
	}
	start := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the lab ended with: %v", err)
	}
	t.Logf("the lab ended in %v", time.Since(start))
}

// asHost returns the status of a page that is requested under another host name.
func asHost(t *testing.T, page, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
