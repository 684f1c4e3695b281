package health_test

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kafka-e2ee/health"
)

// Without it a dead container counts as healthy, or a live one as dead.
func TestAsk(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	healthy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer healthy.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Location", healthy.URL)
		w.WriteHeader(status)
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, listening := range []string{server.Listener.Addr().String(), ":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		if err := health.Ask(t.Context(), listening); err != nil {
			t.Errorf("%s: %v", listening, err)
		}
	}
	status = http.StatusServiceUnavailable
	oneLine(t, health.Ask(t.Context(), ":"+port), "503")
	status = http.StatusFound
	oneLine(t, health.Ask(t.Context(), ":"+port), "302") // another server's health is not this program's
	server.Close()
	oneLine(t, health.Ask(t.Context(), ":"+port), "refused")
	oneLine(t, health.Ask(t.Context(), ""), "METRICS_ADDR is empty")
	for _, wrong := range []string{"9464", "a b:9464"} {
		oneLine(t, health.Ask(t.Context(), wrong), "METRICS_ADDR")
	}
}

// Without it the check, run by hand on a machine, would stop that machine's init.
func TestStopSparesForeignProcesses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	oneLine(t, health.AskOrStop(ctx, ":1"), "not this program")
	// A program without METRICS_ADDR cannot be asked, and must not be stopped for it.
	oneLine(t, health.AskOrStop(t.Context(), ""), "hint: set it, as in METRICS_ADDR=:9464)")
}

// Without it -check would start a second program, or ask at an address that the running one does not use.
func TestFlags(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) { return "nonsense", name == "METRICS_ADDR" }
	for _, test := range []struct {
		args  []string
		asked bool
	}{{nil, false}, {[]string{"-check"}, true}, {[]string{"-check-or-stop"}, true}} {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		check := health.Flags(flags)
		if err := flags.Parse(test.args); err != nil || (*check != nil) != test.asked {
			t.Errorf("%q: asked %v, %v", test.args, *check != nil, err)
		}
		if *check != nil {
			oneLine(t, (*check)(t.Context(), lookup), "METRICS_ADDR is not host:port")
		}
	}
}

// Without it "consume check" would start a second consumer, which takes partitions from the first one.
func oneLine(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line with %q", err, part)
	}
}
